import { AsyncLocalStorage } from 'node:async_hooks'
import { DataSource, type EntitySchema } from 'typeorm'
import { migrations } from '../../migrations/index.ts'
import { DomainError } from '../errors.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { connectionOver, type Reach, reachable } from './connection.ts'
import type { Statement } from './statement.ts'
import { createUnit, type Unit } from './unit.ts'

/**
 * The seam to Postgres. One dialect for a server and for the embedded engine; statements join the transaction
 * of their asynchronous context, so that no store has to pass a connection around.
 */
export interface Database {
  readonly dataSource: DataSource
  /**
   * Rows of a statement. Joins the open transaction of this context, if there is one. Outside of any, one that begins
   * with `select` must not write: it may be asked twice.
   */
  query<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>
  /**
   * Rows of a statement that only reads, outside of any transaction. It fails where the server takes no writes
   * (SQLSTATE 25006): a primary that was fenced off would go on answering with what is no longer true. The embedded
   * engine cannot be fenced off and has one connection: there this is `query`.
   */
  queryPrimary: Database['query']
  /** Number of rows a statement changed. */
  execute(sql: string, parameters?: unknown[]): Promise<number>
  /** Runs `work` in a transaction: the one of this context when it is open, else a new one. */
  transaction<T>(work: () => Promise<T>): Promise<T>
  /**
   * A unit of work whose BEGIN waits for `open()` and whose end is decided by what `work` returns: true commits,
   * false rolls back. Architecture §6: a token request is one such unit.
   */
  unit(work: (unit: Unit) => Promise<boolean>): Promise<void>
  /** Runs an effect when what this context writes is committed: behind its open transaction, or at once. */
  afterCommit(effect: () => Promise<unknown>): Promise<void>
  /** The unit of this context, opened or not. */
  current(): Unit | undefined
  close(): Promise<void>
}

export interface DatabaseOptions {
  entities: EntitySchema[]
  /** A server's address; absent when `extra` carries an embedded engine. */
  url?: string
  poolSize: number
  /** Milliseconds to wait for a free connection, or for a new one. */
  connectPatience: number
  /** Milliseconds to wait for the answer to a statement; absent for an engine in this process. */
  answerPatience?: number
  /** Whether statements are kept prepared on each connection: yes when absent. */
  prepares?: boolean
  /** Settings of pg.Pool. */
  extra: object
  metrics?: Metrics
  /** Is told whether Postgres answers. */
  reach?: Reach
  /** Runs after the pool is closed: the embedded engine stops here. */
  onClose?: () => Promise<void>
}

/**
 * Connects.
 * @throws DomainError `storage_unavailable` when Postgres cannot be reached
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const dataSource = new DataSource({
    type: 'postgres',
    ...(options.url ? { url: options.url } : {}),
    poolSize: options.poolSize,
    extra: options.extra,
    connectTimeoutMS: options.connectPatience,
    entities: options.entities,
    migrations,
    migrationsTableName: 'schema_migrations',
    synchronize: false,
    logging: false,
    applicationName: 'keyturn',
    installExtensions: false,
  })
  await dataSource.initialize().catch(async (cause: Error) => {
    await options.onClose?.()
    throw new DomainError('storage_unavailable', {
      detail: `Postgres cannot be reached${placeIn(options.url)}: ${cause.message || cause.name}${hintFor(cause)}`,
      cause,
    })
  })
  return overDataSource(dataSource, options)
}

const hintFor = ({ message }: Error): string =>
  message.startsWith('unsupported startup parameter')
    ? ' (PgBouncer is to leave it out: ignore_startup_parameters, see docs/deployment.md)'
    : ''

/** Where it was looked for, without a name or a password. */
function placeIn(url: string | undefined): string {
  const parsed = url === undefined ? null : URL.parse(url)
  const host = parsed && (parsed.searchParams.get('host') ?? parsed.host)
  return host ? ` at ${host} (DATABASE_URL)` : ''
}

/** What is read of pg.Pool. */
interface Pool {
  totalCount: number
  idleCount: number
  waitingCount: number
}

function measurePool(pool: Pool, limit: number, metrics: Metrics): void {
  metrics.gauge('keyturn_db_pool_connections', () => [
    [{ state: 'idle' }, pool.idleCount],
    [{ state: 'busy' }, pool.totalCount - pool.idleCount],
  ])
  metrics.gauge('keyturn_db_pool_limit', () => [[{}, limit]])
  metrics.gauge('keyturn_db_pool_waiting', () => [[{}, pool.waitingCount]])
}

function overDataSource(
  dataSource: DataSource,
  {
    connectPatience,
    answerPatience,
    prepares = true,
    metrics = noMetrics,
    reach = reachable(),
    poolSize,
    onClose,
  }: DatabaseOptions,
): Database {
  const context = new AsyncLocalStorage<Unit>()
  const options = { patience: answerPatience, connectPatience, prepares, metrics, reach }
  const connect = () => connectionOver(() => dataSource.createQueryRunner(), options)
  const pool = (dataSource.driver as unknown as { master: Pool }).master
  measurePool(pool, poolSize, metrics)

  async function runAlone(statement: Statement) {
    const connection = connect()
    try {
      return await connection.run(statement)
    } finally {
      await connection.release()
    }
  }

  async function run(sql: string, parameters: unknown[] = []) {
    const open = context.getStore()
    return open?.isOpen() ? open.run(sql, parameters) : runAlone({ sql, parameters })
  }

  function unit(work: (unit: Unit) => Promise<boolean>): Promise<void> {
    const own = createUnit(connect)
    return context.run(own, async () => {
      let commit = false
      try {
        commit = (await work(own)) && (await own.commit())
      } catch (error) {
        await own.rollback()
        await context.exit(() => own.settleRefusal(transaction))
        throw error
      }
      if (commit) return context.exit(() => own.settleCommit())
      await own.rollback()
      await context.exit(() => own.settleRefusal(transaction))
    })
  }

  async function transaction<T>(work: () => Promise<T>): Promise<T> {
    const open = context.getStore()
    if (open?.isOpen()) return work()
    let result: T | undefined
    await context.exit(() =>
      unit(async (own) => {
        await own.open()
        result = await work()
        return true
      }),
    )
    return result as T
  }

  const query = async <Row>(sql: string, parameters?: unknown[]) =>
    (await run(sql, parameters)).rows as Row[]
  async function queryPrimary<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await runAlone({ sql, parameters, onPrimary: true })).rows as Row[]
  }

  return {
    dataSource,
    query,
    queryPrimary: answerPatience === undefined ? query : queryPrimary,
    execute: async (sql, parameters) => (await run(sql, parameters)).count,
    transaction,
    unit,
    async afterCommit(effect) {
      const open = context.getStore()
      if (open?.isOpen()) open.afterCommit(effect)
      else await effect()
    },
    current: () => context.getStore(),
    async close() {
      await dataSource.destroy()
      await onClose?.()
    },
  }
}

export type { Unit }
