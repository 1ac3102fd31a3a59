import { execFileSync } from 'node:child_process'
import { hash, randomInt } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DomainError } from '../errors.ts'

/**
 * An exclusive lock on a data folder: two engines on one cluster would overwrite each other's pages.
 *
 * Node has no file locks. So every process first creates its own file, `lock-<pid>-<start>-<scope>`, and *then* looks
 * for the files of others: of two processes that start together, at least one sees the other. No file name is ever
 * reused, so any process may remove the file of a dead one at any time. The content says whether its process holds the
 * folder or is still looking.
 */
export interface DataLock {
  /** Releases the folder. Idempotent. */
  release(): Promise<void>
}

/** In milliseconds: distinguishes a live lock holder from a dead one where its process id means nothing here. */
export interface Heartbeat {
  readonly beat: number
  readonly stale: number
}

interface Claim {
  readonly file: string
  readonly pid: number
  readonly start: string
  readonly scope: string
}

const shape = /^lock-(\d+)-([\w.]+)-([0-9a-f]{12})$/
const attempts = 40

/**
 * Locks the folder and creates it (mode 0700) when missing.
 * @throws DomainError `storage_locked`, naming the folder and the process that holds it; `config_invalid` when this
 *   user cannot create the folder or write to it
 */
export async function lockDataDir(
  dataDir: string,
  heartbeat: Heartbeat = { beat: 5_000, stale: 20_000 },
): Promise<DataLock> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(unwritable(folder))
  const file = join(folder, `lock-${process.pid}-${processStart(process.pid)}-${scope()}`)
  for (let attempt = 1; ; attempt++) {
    const claim = await putClaim(folder, file, heartbeat.beat)
    const rival = await findRival(folder, file, heartbeat)
      .then(async (found) => found ?? (await claim.hold()))
      .catch(async (error: unknown) => {
        await claim.withdraw()
        throw error
      })
    if (!rival) return { release: claim.withdraw }
    await claim.withdraw()
    if (rival.holds || attempt === attempts) throw locked(folder, rival.pid)
    // Two processes saw each other and both stepped back; random pauses let one come first.
    await pause(randomInt(10, 100))
  }
}

async function putClaim(folder: string, file: string, beat: number) {
  let content = describe(false)
  await writeFile(file, content, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw locked(folder, process.pid)
    unwritable(folder)(error as Error)
  })
  // Rewriting the file updates its mtime by the clock of the file system, the only clock that all processes share.
  const write = () => writeFile(file, content, { flag: 'r+' })
  const timer = setInterval(() => void write().catch(() => undefined), beat)
  timer.unref()
  return {
    hold() {
      content = describe(true)
      return write()
    },
    async withdraw() {
      clearInterval(timer)
      await rm(file, { force: true })
    },
  }
}

/** Both states have the same length, so one can overwrite the other in place. */
function describe(holds: boolean): string {
  const state = holds ? 'holding' : 'looking'
  return `${JSON.stringify({ state, pid: process.pid, host: hostname() })}\n`
}

async function findRival(
  folder: string,
  own: string,
  heartbeat: Heartbeat,
): Promise<(Claim & { holds: boolean }) | undefined> {
  for (const name of await readdir(folder)) {
    const [, pid, start, origin] = shape.exec(name) ?? []
    const file = join(folder, name)
    if (!pid || !start || !origin || file === own) continue
    const claim = { file, pid: Number(pid), start, scope: origin }
    if (await isAlive(claim, own, heartbeat)) {
      const content = await readFile(file, 'utf8').catch(() => '')
      return { ...claim, holds: content.includes('"holding"') }
    } else {
      await rm(file, { force: true })
    }
  }
  return undefined
}

async function isAlive(claim: Claim, own: string, heartbeat: Heartbeat): Promise<boolean> {
  if (claim.scope === scope()) return processStart(claim.pid) === claim.start
  // Its process ids belong to another container on this volume, or to this machine before a reboot.
  const [theirs, ours] = await Promise.all([modified(claim.file), modified(own)])
  if (theirs === undefined || ours === undefined) return false
  if (ours - theirs > heartbeat.stale) return false
  const deadline = performance.now() + heartbeat.stale
  while (performance.now() < deadline) {
    await pause(Math.min(heartbeat.beat, 250))
    const now = await modified(claim.file)
    if (now !== theirs) return now !== undefined
  }
  return false
}

async function modified(file: string): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined)
  return found?.mtimeMs
}

/** When a process started, in the system's own unit; `undefined` when there is no such process. */
function processStart(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const line = read(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
    // proc(5): the command is in parentheses and may hold anything; then field 3, the state, and field 22, the start.
    const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ')
    return fields && !/[ZX]/.test(fields[0] ?? '') ? fields[19] : undefined
  }
  const text = read(() => execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], quiet))
  if (text) return text.trim().replace(/\W+/g, '.')
  return read(() => process.kill(pid, 0)) ? 'unknown' : undefined
}

const quiet = { encoding: 'utf8', stdio: 'pipe' } as const

/** The scope within which process ids are unique: this boot of this machine, in this container. */
function scope(): string {
  const boot = read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'))
  const namespace = read(() => readlinkSync('/proc/self/ns/pid'))
  return hash('sha256', JSON.stringify([boot, namespace, hostname()]), 'hex').slice(0, 12)
}

function read<T>(from: () => T): T | undefined {
  try {
    return from()
  } catch {
    return undefined
  }
}

function locked(folder: string, pid: number): DomainError {
  const holder = pid === process.pid ? 'this process itself' : `process ${pid}`
  return new DomainError('storage_locked', {
    detail:
      `The data folder ${folder} is in use by ${holder}: embedded storage allows one process only. ` +
      'Stop that process, choose another folder with DATA_DIR, or set DATABASE_URL to share a Postgres server.',
  })
}

function unwritable(folder: string) {
  return (cause: NodeJS.ErrnoException): never => {
    const { code, message } = cause
    const why = code === 'ENOSPC' ? 'no space left, ENOSPC' : (code ?? message)
    const detail = `DATA_DIR: expected a folder that this user can create and write to, got ${folder} (${why})`
    throw new DomainError('config_invalid', { detail, cause })
  }
}
