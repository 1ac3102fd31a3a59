import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chown, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { unprivilegedUser } from './binaries.ts'
import { type Child, startChild, temporaryFolder } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** A Postgres cluster of the test run; its port stays the same across restarts. */
export interface Postgres {
  readonly pid: number
  readonly port: number
  /** The folder of the binaries (`pg_dump`, `pg_basebackup` and so on). */
  readonly binaries: string
  /** The folder of the cluster, of the user that runs it. */
  readonly data: string
  databaseUrl(name: string): string
  /** What the server has logged since its last start. */
  log(): string
  /** Starts it again after `stop` and waits until it takes connections. */
  start(): Promise<void>
  /** SIGINT (fast, the default), SIGTERM (waits for clients), SIGQUIT or SIGKILL; waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** SIGSTOP for the postmaster and all its backends: connections neither answer nor close. */
  pause(): void
  resume(): void
  /** Stops it for good and removes its files. */
  destroy(): Promise<void>
}

// Without fsync tests are fast; a commit still waits for its write, as in production.
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  max_connections: '200',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'on',
  timezone: 'UTC',
}

/** Runs one statement on a connection of its own and returns the rows. */
export async function query(
  connectionString: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 })
  // A connection that breaks while idle must not end the test run.
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...values])
    return rows
  } finally {
    await client.end()
  }
}

/** The postmaster and its backends, each of which leads a process group of its own. */
function processes(postmaster: number): number[] {
  try {
    const backends = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
    return [postmaster, ...backends.split(' ').filter(Boolean).map(Number)]
  } catch {
    return [postmaster]
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // A backend may end between the listing and the signal.
    }
  }
}

/** Whether a process is stopped or has ended. */
function isStopped(pid: number): boolean {
  try {
    return /^State:\s+[TZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/** Stops processes by SIGSTOP and waits: each runs on until it is next scheduled. */
function halt(pids: readonly number[]): void {
  signalAll(pids, 'SIGSTOP')
  const deadline = performance.now() + 30_000
  while (!pids.every(isStopped)) {
    if (performance.now() > deadline) throw new Error(`processes do not stop: ${pids.join(', ')}`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
}

/** As root it does so as the user that Postgres runs as. @param data whose server is stopped */
export async function copyCluster(data: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-r', data, to], { ...unprivilegedUser() })
}

/**
 * Creates a cluster in a temporary folder and starts it. As root it runs as `postgres` or `nobody`,
 * because Postgres refuses root.
 *
 * @param original a cluster to copy, which is faster
 * @throws Error with the server's output when it does not take connections within 30 s.
 */
export async function startPostgres(binaries: string, original?: string): Promise<Postgres> {
  const folder = await temporaryFolder('postgres')
  const data = join(folder, 'data')
  const user = unprivilegedUser()
  const options = { cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, ...user }
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  const initdb = [
    '--auth=trust',
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ]
  if (original) await copyCluster(original, data)
  else await promisify(execFile)(join(binaries, 'initdb'), [...initdb, '-D', data], options)

  const port = await freePort()
  const databaseUrl = (name: string): string => `postgres://postgres@127.0.0.1:${port}/${name}`
  const settings = { ...SETTINGS, unix_socket_directories: folder, port: String(port) }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const launch = (): Promise<Child> =>
    startChild(join(binaries, 'postgres'), ['-D', data, ...flags], options)
  let child = await launch()

  const ready = async (): Promise<void> => {
    await eventually(
      'Postgres accepts connections',
      async () => {
        // After SIGKILL the backends hold the shared memory for a moment and a new start fails.
        if (child.ended() !== undefined) child = await launch()
        return (await query(databaseUrl('postgres'), 'SELECT 1')).length === 1
      },
      { within: 30_000, every: 50 },
    ).catch((cause: unknown) => {
      throw new Error(`Postgres does not start:\n${child.stderr()}`, { cause })
    })
  }
  const stop = async (signal: NodeJS.Signals = 'SIGINT'): Promise<void> => {
    if (child.ended() !== undefined) return
    const all = processes(child.pid)
    const end = child.stop(signal)
    signalAll(all, 'SIGCONT')
    await end
  }
  await ready()

  return {
    get pid() {
      return child.pid
    },
    port,
    binaries,
    data,
    databaseUrl,
    log: () => child.stderr(),
    async start() {
      if (child.ended() !== undefined) child = await launch()
      await ready()
    },
    stop,
    pause() {
      // The postmaster first: while it runs it may start a backend that is not on the list.
      halt([child.pid])
      halt(processes(child.pid))
    },
    resume: () => signalAll(processes(child.pid), 'SIGCONT'),
    async destroy() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
