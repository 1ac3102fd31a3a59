import { readdir } from 'node:fs/promises'
import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { cases } from './suite/cases.ts'
import { optionsIn } from './suite/options.ts'
import { runSuite } from './suite/suite.ts'

/**
 * `npm run bench`: every case of the protocol; `npm run bench -- <case>`: one. `npm run bench -- <name>` runs what else
 * is in this folder. They print medians and ratios, and assert nothing.
 */
const others = (await readdir(import.meta.dirname))
  .filter(
    (file) =>
      file.endsWith('.ts') && !['run.ts', 'forked.ts', 'processor.ts', 'cores.ts'].includes(file),
  )
  .map((file) => file.slice(0, -3))
const names = new Set([...cases.map(({ name }) => name), 'idle'])
const args = process.argv.slice(2)
const [wanted = ''] = args

if (others.includes(wanted)) {
  await import(`./${wanted}.ts`)
} else if (wanted === '' || wanted.startsWith('-') || names.has(wanted)) {
  const options = optionsIn(args)
  await mochaGlobalSetup()
  await runSuite(options, console.log)
  await mochaGlobalTeardown()
} else {
  const expected = [...names, ...others].join(', ')
  console.error(`bench: expected one of ${expected}, got ${JSON.stringify(wanted)}`)
  process.exitCode = 2
}
