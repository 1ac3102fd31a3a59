import { AsyncLocalStorage } from 'node:async_hooks'
import { DataSource, type EntitySchema } from 'typeorm'
import { migrations } from '../../migrations/index.ts'
import { DomainError } from '../errors.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { connectionOver, type Reach, reachable } from './connection.ts'
import type { Statement } from './statement.ts'
import { createUnit, type Unit } from './unit.ts'

/**
 * The interface to Postgres: one SQL dialect for a server and for the embedded engine. Statements join the transaction
 * of their asynchronous context, so stores need not pass a connection around.
 */
export interface Database {
  readonly dataSource: DataSource
  /**
   * The rows of a statement. Joins the open transaction of this context, if there is one. Outside of a transaction a
   * statement that begins with `select` must not write: it may be sent twice.
   */
  query<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>
  /**
   * The rows of a read-only statement, outside of any transaction. It fails on a server that takes no writes (SQLSTATE
   * 25006): a primary that was fenced off would keep answering with stale data. The embedded engine cannot be fenced
   * off and has one connection, so there this is `query`.
   */
  queryPrimary: Database['query']
  /** The number of rows that a statement changed. */
  execute(sql: string, parameters?: unknown[]): Promise<number>
  /** Runs `work` in the open transaction of this context, or else in a new one. */
  transaction<T>(work: () => Promise<T>): Promise<T>
  /**
   * A unit of work. Its transaction begins with `open()`, and the result of `work` ends it: true commits, false rolls
   * back. A token request is one such unit (architecture §6).
   */
  unit(work: (unit: Unit) => Promise<boolean>): Promise<void>
  /** Runs an effect after the open transaction of this context commits, or at once when there is none. */
  afterCommit(effect: () => Promise<unknown>): Promise<void>
  /** The unit of this context, opened or not. */
  current(): Unit | undefined
  close(): Promise<void>
}

export interface DatabaseOptions {
  entities: EntitySchema[]
  /** Connection URL of a server; absent when `extra` carries the embedded engine. */
  url?: string
  poolSize: number
  /** Milliseconds to wait for a free connection, or for a new one. */
  connectPatience: number
  /** Milliseconds to wait for the answer to a statement; absent for an engine in this process. */
  answerPatience?: number
  /** Whether to use named prepared statements; true by default. */
  prepares?: boolean
  /** Settings of pg.Pool. */
  extra: object
  metrics?: Metrics
  /** Records whether Postgres answers. */
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
    ? ' (PgBouncer needs it in ignore_startup_parameters, see docs/deployment.md)'
    : ''

/** The server's address for an error message, without user name and password. */
function placeIn(url: string | undefined): string {
  const parsed = url === undefined ? null : URL.parse(url)
  const host = parsed && (parsed.searchParams.get('host') ?? parsed.host)
  return host ? ` at ${host} (DATABASE_URL)` : ''
}

/** The members of pg.Pool that metrics read. */
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
