import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { temporaryFolder } from './support/child.ts'
import { createLane, type Lane, type Outcome, roomy } from './support/lanes.ts'
import { compiledHere } from './support/node-process.ts'
import { summaryOf } from './support/summary.ts'

/**
 * Runs tests. With files or options of mocha, it is mocha. Without, it runs every test file in lanes: two more than
 * there are cores, since tests wait for browsers and clocks. Each lane has its own Postgres and Redis, copied from a
 * shared template, and takes the next file when it is done with one, longest first. Tests of real-time behaviour come
 * last, one lane per core; they mostly wait, so a lane of lower priority runs the last few other files beside them. The
 * last line is "N passed, N failed".
 *
 *     node test/run.ts [--forbid-only]
 *     node test/run.ts <arguments of mocha>
 */
const cores = availableParallelism()
const goesByTime =
  /^test[\\/](outages|contract[\\/]redis|verifier[\\/]revocation|storage[\\/]changes|flows[\\/](revoked-m|key-r)|signing[\\/](clock|rotation)|nodes[\\/](revocation-matrix|skewed|two-nodes|workers))/

/** The longest files, as the summary of a run lists them at its top. Started last, one would occupy a lane alone. */
const longest =
  /^test[\\/](faults|growth|bench|examples|libraries|http[\\/]hostile|secrets[\\/]key-rotation|cli[\\/](embedded|declarative)|revocation|people[\\/](hostile|keyboard|walk|access)|flows[\\/](back|device|revoked)|nodes[\\/]key|outages[\\/]postgres|nodes[\\/](workers|revocation))/

/** Number of files that run beside the real-time tests, in about the same time. */
const beside = 32

const longestFirst = (files: string[]): string[] => [
  ...files.filter((file) => longest.test(file)),
  ...files.filter((file) => !longest.test(file)),
]

const given = process.argv.slice(2)

async function makeTemplates(): Promise<string> {
  const folder = await temporaryFolder('templates')
  await chmod(folder, 0o777)
  const program = [...roomy, 'test/support/make-templates.ts', folder]
  const child = spawn(process.execPath, program, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...compiledHere, ...process.env },
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`make-templates.ts ended with ${code}`)
  return folder
}

async function runAll(): Promise<boolean> {
  const templates = await makeTemplates()
  const lanes = Array.from({ length: cores + 2 }, () => createLane(given, templates))
  const outcomes: Outcome[] = []

  /**
   * Runs the queue in these lanes.
   * @param spare files to leave in the queue
   * @returns the seconds that each lane was busy
   */
  async function takeTurns(some: Lane[], queue: string[], spare = 0): Promise<number[]> {
    const began = performance.now()
    return Promise.all(
      some.map(async (lane) => {
        while (queue.length > spare) outcomes.push(...(await lane.run(queue.shift() as string)))
        return (performance.now() - began) / 1000
      }),
    )
  }

  const files = globSync('test/**/*.test.ts').toSorted()
  const byTime = longestFirst(files.filter((file) => goesByTime.test(file)))
  const others = longestFirst(files.filter((file) => !goesByTime.test(file)))
  const most = await takeTurns(lanes, others, beside)
  const [first, last] = [lanes.slice(0, cores), createLane(given, templates, 10)]
  for (const lane of lanes.splice(cores)) outcomes.push(...(await lane.end()))
  const [real, rest] = await Promise.all([takeTurns(first, byTime), takeTurns([last], others)])
  lanes.push(last)
  for (const ending of await Promise.all(lanes.map((lane) => lane.end()))) outcomes.push(...ending)
  process.stdout.write(
    summaryOf(outcomes, { 'in lanes': most, 'by real time': real, 'beside it': rest }),
  )
  return outcomes.every(({ failures }) => failures.length === 0)
}

if (given.some((argument) => argument !== '--forbid-only')) {
  const mocha = ['node_modules/mocha/bin/mocha.js', ...given]
  const env = { ...compiledHere, ...process.env }
  spawn(process.execPath, mocha, { stdio: 'inherit', env }).on('close', (code) => {
    process.exitCode = code ?? 1
  })
} else if (!(await runAll())) process.exitCode = 1
