import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

/** A program of the demo that keeps running. */
export interface Program {
  name: string
  /** Resolves when it has ended. */
  ended: Promise<void>
  isOver(): boolean
  /** Its last output, for a user who wonders why it ended. */
  lastLines(): string
  stop(): Promise<void>
}

interface Start {
  name: string
  root: string
  /** The arguments of Node. */
  args: string[]
  /** Variables beyond those that every program needs to run. */
  env?: Record<string, string>
  /** Every whole line of its output. */
  onLine(line: string): void
}

/** Variables that programs need to run, and where Node keeps its compile cache. */
function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'SystemRoot', 'TEMP', 'TMPDIR', 'NODE_COMPILE_CACHE']
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

const withTheDemo = new URL('with-the-demo.ts', import.meta.url).href

function launch({ root, args, env, onLine }: Start, input?: string): ChildProcess {
  // A process group of its own: Ctrl-C reaches only the demo, which signals each program once. Keyturn takes a second
  // signal as an order to stop at once.
  const child = spawn(process.execPath, ['--import', withTheDemo, ...args], {
    cwd: root,
    env: { ...inherited(), ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  child.stdin?.end(input)
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    })
  }
  return child
}

/** Milliseconds that a program has to stop before it is killed. */
const patience = 15_000

/** Starts a program. */
export function startProgram(start: Start): Program {
  const lines: string[] = []
  const child = launch({
    ...start,
    onLine(line) {
      lines.push(line)
      if (lines.length > 12) lines.shift()
      start.onLine(line)
    },
  })
  let over = false
  const ended = new Promise<void>((resolve) => {
    for (const event of ['close', 'error'] as const) {
      child.once(event, () => {
        over = true
        resolve()
      })
    }
  })
  return {
    name: start.name,
    ended,
    isOver: () => over,
    lastLines: () => lines.join('\n'),
    async stop() {
      if (over) return
      child.kill('SIGTERM')
      const impatience = setTimeout(() => child.kill('SIGKILL'), patience)
      await ended
      clearTimeout(impatience)
    },
  }
}

/** Runs a program to its end. @returns its output; @throws Error with its output when it failed */
export async function runProgram(start: Omit<Start, 'onLine'>, input?: string): Promise<string> {
  const lines: string[] = []
  const child = launch({ ...start, onLine: (line) => void lines.push(line) }, input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const output = lines.join('\n')
  if (code !== 0) throw new Error(`${start.name} failed:\n${output}`)
  return output
}

/**
 * Waits until a URL answers.
 * @throws Error with the program's output when it ended, or when it takes longer than a minute
 */
export async function untilReady(program: Program, url: string): Promise<void> {
  const giveUp = performance.now() + 60_000
  while (!program.isOver() && performance.now() < giveUp) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok) return
    await pause(50)
  }
  const what = program.isOver() ? 'did not start' : 'was not ready within a minute'
  throw new Error(`${program.name} ${what}. Its output:\n${program.lastLines()}`)
}
