import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { text } from 'node:stream/consumers'
import { temporaryFolder } from './support/child.ts'

/**
 * Runs tests. With files, or with anything else that mocha takes, it is mocha; without, every file there is runs in
 * groups, one more at a time than there are cores, since tests wait for browsers and clocks. Each has a Postgres and a
 * Redis of its own, all begin with copies of the same storage. What goes by real time comes last, with the machine to
 * itself.
 *
 *     node test/run.ts [flags of mocha]
 *     node test/run.ts <arguments of mocha>
 */
const groups = 12
const atOnce = availableParallelism() + 1
const goesByTime =
  /^test[\\/](outages|nodes[\\/](after|logout|revocation-matrix|signing|two-nodes|workers))/

const given = process.argv.slice(2)

const mocha = (args: string[]) => ['node_modules/mocha/bin/mocha.js', ...args]

async function makeTemplates(): Promise<string> {
  const folder = await temporaryFolder('templates')
  await chmod(folder, 0o777)
  const program = ['test/support/make-templates.ts', folder]
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`make-templates.ts ended with ${code}`)
  return folder
}

/** Its output comes in one piece, so that groups do not mix. @returns whether all passed */
async function run(name: string, files: string[], templates: string): Promise<boolean> {
  process.stderr.write(`${name}: ${files.length} files …\n`)
  const child = spawn(process.execPath, mocha([...given, ...files]), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TEST_TEMPLATES: templates },
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const outputs = [text(child.stdout), text(child.stderr)]
  const [out = '', fault = ''] = await Promise.all(outputs)
  process.stdout.write(out)
  process.stderr.write(fault)
  return (await ended) === 0
}

async function runAll(): Promise<boolean> {
  const templates = await makeTemplates()
  const files = globSync('test/**/*.test.ts').toSorted()
  const others = files.filter((file) => !goesByTime.test(file))
  const passed: boolean[] = []
  let next = 0
  async function takeTurns(): Promise<void> {
    while (next < groups) {
      const mine = next++
      const dealt = others.filter((_, i) => i % groups === mine)
      passed.push(await run(`group ${mine + 1} of ${groups + 1}`, dealt, templates))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, takeTurns))
  const last = files.filter((file) => goesByTime.test(file))
  passed.push(await run(`group ${groups + 1} of ${groups + 1}`, last, templates))
  return passed.every(Boolean)
}

if (given.some((argument) => !argument.startsWith('--'))) {
  spawn(process.execPath, mocha(given), { stdio: 'inherit' }).on('close', (code) => {
    process.exitCode = code ?? 1
  })
} else if (!(await runAll())) process.exitCode = 1
