import { readdir } from 'node:fs/promises'
import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { openTarget } from './servers/target.ts'
import { caseNames, optionsIn } from './suite/options.ts'
import { runSuite } from './suite/suite.ts'
import { isUsageError, UsageError, usage } from './suite/usage.ts'

/**
 * `npm run bench`: all protocol cases; `npm run bench -- <case>`: one of them; `npm run bench -- <name>`: another
 * benchmark in this folder. Benchmarks print medians and ratios, and assert nothing.
 */
const others = (await readdir(import.meta.dirname))
  .filter(
    (file) =>
      file.endsWith('.ts') &&
      !['run.ts', 'forked.ts', 'processor.ts', 'cores.ts', 'event-rows.ts'].includes(file),
  )
  .map((file) => file.slice(0, -3))
const args = process.argv.slice(2)
const [wanted = ''] = args

async function measure(): Promise<void> {
  const options = optionsIn(args)
  // Before anything is started, so that a target that does not respond fails at once.
  for (const target of options.targets) await openTarget(target, options.about)
  if (!options.alone) await mochaGlobalSetup()
  await runSuite(options, console.log)
  await mochaGlobalTeardown()
}

try {
  if (args.some((arg) => arg === '--help' || arg === '-h')) console.log(usage(caseNames, others))
  else if (others.includes(wanted)) await import(`./${wanted}.ts`)
  else if (wanted === '' || wanted.startsWith('-') || caseNames.includes(wanted)) await measure()
  else {
    const expected = [...caseNames, ...others].join(', ')
    throw new UsageError(`expected one of ${expected}, got ${JSON.stringify(wanted)}`)
  }
} catch (error) {
  if (!isUsageError(error)) throw error
  console.error(`bench: ${error.message.replaceAll('\n', ' ')} (see --help)`)
  process.exitCode = 2
}
