import { fileURLToPath } from 'node:url'
import { type Child, type Exit, startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** How to start the product. */
export interface NodeOptions {
  /** Settings, in addition to `PATH`, `HOME`, `HOST=127.0.0.1` and a free `PORT`; nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>
  /** The command line; `['serve']` by default. */
  readonly args?: readonly string[]
  /** The path that answers 200 when the start is over; `/readyz` by default. */
  readonly waitFor?: string
}

/** One node of the product as a real process. */
export interface NodeProcess {
  readonly pid: number
  /** `http://localhost:PORT`, which is also the default issuer. */
  readonly url: string
  readonly exit: Promise<Exit>
  stdout(): string
  stderr(): string
  /** Sends a signal without waiting (SIGKILL, SIGSTOP, SIGCONT and so on). */
  signal(name: NodeJS.Signals): void
  /** SIGTERM by default; waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>
}

/** A command of the product that has ended. */
export interface Outcome extends Exit {
  readonly stdout: string
  readonly stderr: string
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const START_BOUND = 30_000

/** Where the product keeps compiled modules. Set from outside, so that even the first file is not compiled again. */
export const compiledModules = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/keyturn', import.meta.url)),
}

/** The same for programs of the tests; not under coverage, which sees less of precompiled modules. */
export const compiledHere = process.env['NODE_V8_COVERAGE'] === undefined ? compiledModules : {}

/** The product ended instead of becoming ready. */
class StartFailure extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    const how = outcome.signal ?? `code ${outcome.code}`
    super(`the node ended with ${how}:\n${outcome.stdout}\n${outcome.stderr}`)
    this.name = 'StartFailure'
    this.outcome = outcome
  }
}

/** Starts a command of the product with only these settings; it dies with the test run at the latest. */
export async function startCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Child> {
  const inherited = ['PATH', 'HOME'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return startChild(NODE, ['src/main.ts', ...args], {
    cwd: ROOT,
    env: { ...compiledModules, ...Object.fromEntries(inherited), ...env },
  })
}

async function outcomeOf(child: Child): Promise<Outcome> {
  return { ...(await child.exit), stdout: child.stdout(), stderr: child.stderr() }
}

/** Runs a command of the product to its end with only these settings. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return outcomeOf(await startCommand(args, env))
}

/**
 * Starts the product on a free port of 127.0.0.1 and waits until it is ready.
 *
 * @throws StartFailure when it ends before.
 * @throws Error with its output when it is not ready within 30 s; it is stopped.
 */
export async function startNode({
  env = {},
  args = ['serve'],
  waitFor = '/readyz',
}: NodeOptions = {}): Promise<NodeProcess> {
  const port = env['PORT'] ?? String(await freePort())
  const url = `http://localhost:${port}`
  const child = await startCommand(args, { HOST: '127.0.0.1', ...env, PORT: port })
  const ready = await eventually(
    `${waitFor} answers 200`,
    async () => {
      if (child.ended() !== undefined) return 'ended'
      const response = await fetch(new URL(waitFor, url), { signal: AbortSignal.timeout(2_000) })
      await response.arrayBuffer()
      return response.ok && 'ready'
    },
    // A failed check costs a millisecond.
    { within: START_BOUND, every: 100 },
  ).catch(async (cause: unknown) => {
    await child.stop('SIGKILL')
    throw new Error(`the node is not ready:\n${child.stdout()}\n${child.stderr()}`, { cause })
  })
  if (ready === 'ended') throw new StartFailure(await outcomeOf(child))
  const { pid, exit, stdout, stderr, signal, stop } = child
  return { pid, url, exit, stdout, stderr, signal, stop }
}
