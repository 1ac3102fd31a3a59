import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { compiledHere } from './node-process.ts'

/** A test, or a hook, that failed. */
export interface Failure {
  title: string
  message: string
}

/** The outcome of one file. */
export interface Outcome {
  file: string
  passed: number
  seconds: number
  failures: Failure[]
}

/** Runs files one after the other in a process of its own (test/support/lane.ts). */
export interface Lane {
  /** Its output comes in one piece, so that lanes do not mix. */
  run(file: string): Promise<Outcome[]>
  /** @returns failures found when its process ended */
  end(): Promise<Outcome[]>
}

/** Prefix of lines in which a process reports outcomes; all other lines are output. */
export const mark = '\u001e'

/**
 * A young generation sized for tests: with a small one, garbage collection takes a tenth of the processor time of most
 * files. All processes need the same flags to share compiled modules.
 */
export const roomy = ['--min-semi-space-size=32', '--max-semi-space-size=64']

/** Most files per process: their memory and temporary files, some 20 MB each, are freed when it ends. */
const most = 45

interface Running {
  child: ChildProcess
  /** The next outcome, or `undefined` when the process has ended instead. */
  next(): Promise<Outcome | undefined>
  /** What was said since the last time. */
  take(): string
  ended: Promise<number | null>
}

function start(flags: readonly string[], templates: string, niceness: number): Running {
  const child = spawn(process.execPath, [...roomy, 'test/support/lane.ts', ...flags], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...compiledHere, ...process.env, TEST_TEMPLATES: templates },
  })
  // Its child processes inherit the priority.
  if (child.pid !== undefined && niceness > 0) setPriority(child.pid, niceness)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<number | null>((resolve) => void child.on('close', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  // It may have ended before the next file is written to it.
  child.stdin.on('error', () => undefined)
  return {
    child,
    ended,
    take() {
      const text = said
      said = ''
      return text
    },
    async next() {
      for (;;) {
        const { done, value } = await lines.next()
        if (done) return undefined
        if (value.startsWith(mark)) return JSON.parse(value.slice(1)) as Outcome
        said += `${value}\n`
      }
    },
  }
}

/**
 * @param flags for each process
 * @param templates from `make-templates.ts`
 * @param niceness scheduling priority: 0 to 19
 */
export function createLane(flags: readonly string[], templates: string, niceness = 0): Lane {
  let running: Running | undefined
  let files = 0

  /** The outcome of the current file when the process ended unexpectedly or failed. */
  async function lost(what: string, from: Running): Promise<Outcome> {
    running = undefined
    files = 0
    const code = await from.ended
    const said = from.take()
    process.stdout.write(said)
    const message = `the process of its lane ended with ${code}:\n${said.slice(-1000)}`
    return { file: what, passed: 0, seconds: 0, failures: [{ title: what, message }] }
  }

  async function end(): Promise<Outcome[]> {
    if (!running) return []
    const ending = running
    running = undefined
    files = 0
    ending.child.stdin?.end()
    const code = await ending.ended
    if (code !== 0) return [await lost('the end of a lane', ending)]
    process.stdout.write(ending.take())
    return []
  }

  return {
    end,
    async run(file) {
      const before = files === most ? await end() : []
      running ??= start(flags, templates, niceness)
      const current = running
      files++
      current.child.stdin?.write(`${file}\n`)
      const outcome = (await current.next()) ?? (await lost(file, current))
      process.stdout.write(current.take())
      return [...before, outcome]
    },
  }
}
