import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { text } from 'node:stream/consumers'
import { temporaryFolder } from './support/child.ts'

/**
 * Runs tests. With files, or with anything else that mocha takes, it is mocha; without, every file there is runs in
 * groups, one more at a time than there are cores, since tests wait for browsers and clocks. Each has a Postgres and a
 * Redis of its own, all begin with copies of the same storage. What goes by real time begins first, and goes before
 * the others wherever a core is asked for.
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

interface Group {
  files: string[]
  /** Whether others are served before it. */
  yields: boolean
}

function grouped(): Group[] {
  const files = globSync('test/**/*.test.ts').toSorted()
  const others = files.filter((file) => !goesByTime.test(file))
  return [
    { files: files.filter((file) => goesByTime.test(file)), yields: false },
    ...Array.from({ length: groups - 1 }, (_, mine) => ({
      files: others.filter((_file, i) => i % (groups - 1) === mine),
      yields: true,
    })),
  ]
}

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
async function run({ files, yields }: Group, name: string, templates: string): Promise<boolean> {
  process.stderr.write(`${name}: ${files.length} files …\n`)
  const command = [process.execPath, ...mocha([...given, ...files])]
  const [program = '', ...args] = yields ? ['nice', '-n', '10', ...command] : command
  const child = spawn(program, args, {
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
  const passed: boolean[] = []
  const waiting = grouped().entries()
  // They share the iterator: each takes what comes next.
  async function takeTurns(): Promise<void> {
    for (const [i, group] of waiting) {
      passed.push(await run(group, `group ${i + 1} of ${groups}`, templates))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, takeTurns))
  return passed.every(Boolean)
}

if (given.some((argument) => !argument.startsWith('--'))) {
  spawn(process.execPath, mocha(given), { stdio: 'inherit' }).on('close', (code) => {
    process.exitCode = code ?? 1
  })
} else if (!(await runAll())) process.exitCode = 1
