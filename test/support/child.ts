import { type SpawnOptions, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process started by a test; it ends with the test run at the latest. */
export interface Child {
  readonly pid: number
  readonly exit: Promise<Exit>
  /** The exit when the process is gone, otherwise `undefined`. */
  ended(): Exit | undefined
  stdout(): string
  stderr(): string
  /** Sends a signal; does nothing when the process is gone. */
  signal(name: NodeJS.Signals): void
  /**
   * Sends a signal, resumes a stopped process and waits for its end; after 30 s, which a busy machine may need, it is
   * killed.
   */
  stop(name?: NodeJS.Signals): Promise<Exit>
}

// The reaper outlives a test run that was killed: it holds the other end of a pipe that only this
// process has open, and on its end stops what was still running and removes the folder. Each line
// that it reads is the complete list of running processes.
const REAPER = `
trap '' INT TERM HUP
pids=
while read -r line; do pids=$line; done
for pid in $pids; do kill -INT $pid; kill -CONT $pid; done 2>/dev/null
for pid in $pids; do
  left=50
  while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do left=$((left - 1)); sleep 0.1; done
  [ $left -gt 0 ] || kill -KILL $pid 2>/dev/null
done
rm -rf "$1"
`

/** Least free memory, in bytes, to keep files there. */
const plenty = 8 * 2 ** 30

/**
 * The folder for temporary files: in memory where there is plenty, since every test server starts with a cluster of
 * hundreds of files, and copying one on disk takes ten times the processor time. TMPDIR overrides it.
 */
function folderWithMostSpace(): string {
  const memory = '/dev/shm'
  try {
    const mount = readFileSync('/proc/mounts', 'utf8').match(/^\S+ \/dev\/shm tmpfs (\S+)/m)?.[1]
    const { bavail, bsize } = statfsSync(memory)
    const free = Math.min(bavail * bsize, process.availableMemory())
    // A test compiles a library and loads it from here.
    const fits = mount !== undefined && !mount.includes('noexec') && free > plenty
    return fits && process.env['TMPDIR'] === undefined ? memory : tmpdir()
  } catch {
    return tmpdir()
  }
}

const running = new Map<number, string>()
let reaper: { readonly folder: string; readonly list: Socket } | undefined

function startReaper(): { readonly folder: string; readonly list: Socket } {
  const folder = mkdtempSync(join(folderWithMostSpace(), 'keyturn-'))
  // Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755)
  const child = spawn('/bin/sh', ['-c', REAPER, 'reaper', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  const list = child.stdin as Socket
  list.unref()
  return { folder, list }
}

function tellReaper(): void {
  reaper ??= startReaper()
  reaper.list.write(`${[...running.keys()].join(' ')}\n`)
}

/** A new folder (0700) below the one of this test run, which is removed when the run ends. */
export async function temporaryFolder(name: string): Promise<string> {
  reaper ??= startReaper()
  await mkdir(reaper.folder, { recursive: true })
  return mkdtemp(join(reaper.folder, `${name}-`))
}

/** Replaces a file atomically, as renewal tools do: no reader sees half of it. */
export async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}

/** The commands that tests started and that still run. */
export function runningChildren(): readonly { readonly pid: number; readonly command: string }[] {
  return [...running].map(([pid, command]) => ({ pid, command }))
}

/**
 * Starts a process in a group of its own, so that Ctrl-C reaches only the test run, which then stops its processes in
 * order. Keeps its output, and ends it when the test run ends, however that happens.
 *
 * @throws Error when the command cannot be started.
 */
export async function startChild(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'>,
): Promise<Child> {
  const process = spawn(command, args, {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  process.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  process.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const { promise: exit, resolve } = Promise.withResolvers<Exit>()
  const started = Promise.withResolvers<void>()
  let ended: Exit | undefined
  process.once('spawn', started.resolve)
  process.once('error', started.reject)
  process.once('exit', () => {
    if (process.pid !== undefined) running.delete(process.pid)
    tellReaper()
  })
  // "close" and not "exit", so that the output is complete.
  process.once('close', (code, signal) => {
    ended = { code, signal }
    resolve(ended)
  })
  await started.promise
  const { pid } = process
  if (pid === undefined) throw new Error(`${command} has no process id`)
  if (process.exitCode === null && process.signalCode === null) {
    running.set(pid, [command, ...args].join(' '))
    tellReaper()
  }
  const signal = (name: NodeJS.Signals): void => {
    process.kill(name)
  }
  return {
    pid,
    exit,
    ended: () => ended,
    stdout: () => stdout,
    stderr: () => stderr,
    signal,
    async stop(name = 'SIGTERM') {
      signal(name)
      signal('SIGCONT')
      const impatience = setTimeout(signal, 30_000, 'SIGKILL')
      try {
        return await exit
      } finally {
        clearTimeout(impatience)
      }
    },
  }
}
