import { missingPrograms } from './binaries.ts'
import { runningChildren } from './child.ts'
import { type Services, startServices } from './services.ts'
import { sharedTemplates } from './templates.ts'

const LINGERING = 5_000

// Coverage is taken in this process only. Node would pass it on to child processes, where it costs a tenth of the start
// and, with precompiled modules, only records whole functions.
delete process.env['NODE_V8_COVERAGE']
// Child processes do not share its compile cache either; ours set their own.
delete process.env['NODE_COMPILE_CACHE']

let started: Services | undefined
const endings: Array<() => Promise<void>> = []

/** Whether the services are installed; known before any hook runs, to define suites. */
export function servicesFound(): boolean {
  return missingPrograms().length === 0
}

/** The services of this run, from the first hook on; `undefined` when the machine has none. */
export function services(): Services | undefined {
  return started
}

/** Registers a cleanup to run after the last test of this process. */
export function runAtEnd(end: () => Promise<void>): void {
  endings.push(end)
}

/** Whether a missing program is a failure (`REQUIRE_SERVICES=1`) or only reported. */
export function servicesRequired(): boolean {
  return process.env['REQUIRE_SERVICES'] === '1'
}

/** Prints in a box on standard error what this run skips. */
export function printNotice(...lines: readonly string[]): void {
  const width = Math.max(...lines.map((line) => line.length))
  const edge = '═'.repeat(width + 2)
  const body = lines.map((line) => `║ ${line.padEnd(width)} ║`).join('\n')
  process.stderr.write(`\n╔${edge}╗\n${body}\n╚${edge}╝\n`)
}

/**
 * Mocha calls it once, after the files are loaded and before the first test.
 * @param cluster of Postgres to begin with
 */
export async function mochaGlobalSetup(cluster = sharedTemplates?.cluster): Promise<void> {
  const missing = missingPrograms()
  if (missing.length > 0) {
    const what = `NOT TESTED on real Postgres and Redis: no ${missing.join(', no ')} on this machine.`
    if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for them.`)
    printNotice(
      what,
      'Debian: apt-get install postgresql redis-server. Embedded storage alone is tested.',
    )
    return
  }
  started = await startServices(cluster)
}

/** Called by mocha once, after the last test; a process left running is a failure. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all(endings.splice(0).map((end) => end()))
  await started?.stop()
  started = undefined
  const left = runningChildren()
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  // Mocha ends by itself when nothing is left to do. A handle that a test forgot must neither hang
  // the run nor pass unseen; an unreferenced timer fires only if there is one.
  setTimeout(() => {
    printNotice('The tests left open:', ...process.getActiveResourcesInfo())
    process.exit(1)
  }, LINGERING).unref()
  if (left.length > 0) {
    throw new Error(`tests left running: ${left.map(({ command }) => command).join('; ')}`)
  }
}
