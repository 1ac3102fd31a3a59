import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, fsyncSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import type { NodeFS } from '@electric-sql/pglite/nodefs'
import { DomainError } from '../errors.ts'
import { lockDataDir } from './data-lock.ts'

/** PostgreSQL within this process (PGlite), behind the ordinary pool of `pg`. */
export interface Embedded {
  /** TypeORM's `extra`, beside `type: 'postgres'` and `poolSize: 1`. */
  readonly pgConfig: object
  /**
   * Statements to run about every hour, one by one, through the pool and outside of a transaction. This engine has no
   * background processes: nothing else vacuums or shortens the write-ahead log.
   */
  readonly maintenance: readonly string[]
  /** Stops the engine and releases the folder; close the pool first. Idempotent. */
  close(): Promise<void>
}

/** Postgres' defaults assume a dedicated machine: 128 MB of buffers, all of which this engine touches at once. */
const settings = ['shared_buffers=16MB', 'wal_sync_method=fsync', 'max_wal_size=64MB'].flatMap(
  (setting) => ['-c', setting],
)

/**
 * Opens the embedded engine. The first call creates its cluster, which takes some seconds.
 *
 * A commit is on disk before it is acknowledged. There is one connection and one process: the folder stays locked until
 * `close()` or the end of the process.
 * @param dataDir the folder, which gets `postgres/` and a lock
 * @throws DomainError `storage_locked` when another process has the folder
 * @throws DomainError `storage_unavailable` when the cluster cannot be created or opened
 */
export async function openEmbedded(dataDir: string): Promise<Embedded> {
  keepWasmSmall()
  const folder = resolve(dataDir)
  const lock = await lockDataDir(folder)
  try {
    const cluster = join(folder, 'postgres')
    if (!existsSync(join(cluster, 'PG_VERSION'))) await createCluster(folder, cluster)
    const engine = await start(await durableFolder(cluster))
    const close = onlyOnce(async () => {
      try {
        await engine.close()
      } finally {
        await lock.release()
      }
    })
    return { ...engine, close }
  } catch (cause) {
    await lock.release()
    throw unavailable(folder, cause)
  }
}

async function start(fs: NodeFS): Promise<Embedded> {
  const { PGlite } = await import('@electric-sql/pglite')
  const { createPgConfig } = await import('@electric-sql/pglite/node-postgres')
  const defaults = PGlite.defaultStartParams.filter((parameter) => parameter !== '-F')
  const pglite = await PGlite.create({ fs, startParams: [...defaults, ...settings] })
  return {
    // With any other idle time the pool keeps the process alive for 10 s after its end.
    pgConfig: { ...createPgConfig(pglite), max: 1, idleTimeoutMillis: 0 },
    maintenance: ['vacuum (analyze)', 'checkpoint'],
    close: () => pglite.close(),
  }
}

/**
 * The engine's file system, with an `fsync` that reaches the disk. Emscripten's does nothing, so PGlite disables it
 * (`-F`); then a power failure could lose commits and leave a cluster that does not start.
 */
async function durableFolder(cluster: string): Promise<NodeFS> {
  const { NodeFS: Folder } = await import('@electric-sql/pglite/nodefs')
  const folder = new Folder(cluster)
  const init = folder.init.bind(folder)
  folder.init = async (pglite, given) => {
    const { emscriptenOpts } = await init(pglite, given)
    const preRun = [...(emscriptenOpts.preRun ?? []), (module: unknown) => addFsync(module)]
    return { emscriptenOpts: { ...emscriptenOpts, preRun } }
  }
  return folder
}

/** The part of Emscripten's module that PGlite's types omit. */
interface NodeFsModule {
  NODEFS: {
    stream_ops: { fsync?: (stream: { nfd: number }) => number }
    /** Converts a Node error into an `errno` for Postgres. */
    tryFSOperation(operation: () => void): void
  }
}

function addFsync(module: unknown): void {
  const { NODEFS } = module as NodeFsModule
  NODEFS.stream_ops.fsync = ({ nfd }) => {
    NODEFS.tryFSOperation(() => fsyncSync(nfd))
    return 0
  }
}

/** Creates the cluster under a temporary name first: an interrupted start leaves no partial cluster. */
async function createCluster(folder: string, cluster: string): Promise<void> {
  if (existsSync(cluster) && (await readdir(cluster)).length > 0) {
    throw new Error(`${cluster} contains files but no database; move them elsewhere`)
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith('postgres.new-')) await remove(join(folder, name))
  }
  const unfinished = join(folder, `postgres.new-${process.pid}`)
  const program = new URL(`embedded-init${extname(import.meta.url)}`, import.meta.url)
  const child = fork(fileURLToPath(program), [unfinished], {
    execArgv: ['--liftoff-only'],
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(-2_000)
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  if (code !== 0) {
    await remove(unfinished)
    throw new Error(`initdb ended with ${signal ?? `code ${code}`}: ${complaint.trim()}`)
  }
  await rename(unfinished, cluster)
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/**
 * Keeps Postgres' WASM code in V8's baseline compiler. The optimizing one takes up to 500 MB to compile its large
 * functions, for hardly faster statements. Must run before the module is compiled.
 */
function keepWasmSmall(): void {
  setFlagsFromString('--no-wasm-tier-up')
  setFlagsFromString('--no-wasm-dynamic-tiering')
}

function unavailable(folder: string, cause: unknown): DomainError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new DomainError('storage_unavailable', {
    detail: `Embedded Postgres in ${folder} does not start: ${reason}`,
    cause,
  })
}

function onlyOnce(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= work()
    return done
  }
}
