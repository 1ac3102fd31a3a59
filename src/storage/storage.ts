import { join } from 'node:path'
import type { ClientBase } from 'pg'
import type { EntitySchema } from 'typeorm'
import type { Config } from '../../config/config.ts'
import { maskUrl } from '../../config/load.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { bucketsInRedis } from './buckets.redis.ts'
import type { Buckets } from './buckets.ts'
import { noteOpened, type Reach, reachable } from './connection.ts'
import { type Database, type DatabaseOptions, openDatabase } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { assertMigrated, migrate } from './migrate.ts'
import { listenOnServer, type Notifications, noNotifications } from './notifications.ts'
import { shortLivedInPostgres } from './short-lived.postgres.ts'
import { shortLivedInRedis } from './short-lived.redis.ts'
import type { ShortLived } from './short-lived.ts'

export interface Storage {
  database: Database
  shortLived: ShortLived
  /** Buckets shared by all processes; undefined without Redis. */
  sharedBuckets: Buckets | undefined
  notifications: Notifications
  /** Whether this installation manages itself: its first start creates what an operator provides elsewhere. */
  selfContained: boolean
  /** Where the data is, without secrets. */
  description: string
  /** Statements to run periodically, outside of a transaction. */
  maintenance: readonly string[]
  close(): Promise<void>
}

/** Whether an outdated schema is migrated, refused, or left to the caller. */
export type SchemaPolicy = 'migrate' | 'require' | 'ignore'

/**
 * Timeouts in milliseconds. `connection` and `answer` together are the longest that a request waits for a server that
 * is up but does not answer. The server cancels a slow statement itself (`statement`) before this side gives up the
 * connection.
 */
const patience = {
  connection: 2000,
  statement: 2500,
  answer: 2800,
  /** A transaction that waits for its next statement. */
  idleTransaction: 10_000,
}
/** The embedded engine has one connection, for which all requests queue. */
const embeddedQueue = 3000

/**
 * Opens Postgres and Redis. The only place that knows whether Postgres is embedded.
 * @throws DomainError `storage_unavailable`, `storage_locked`, `storage_newer`, `migrations_pending`
 */
export async function openStorage(
  config: Config,
  {
    entities,
    clock,
    log,
    metrics = noMetrics,
    schema,
  }: {
    entities: EntitySchema[]
    clock: Clock
    log: Log
    metrics?: Metrics
    schema: SchemaPolicy
  },
): Promise<Storage> {
  const reach: Reach = reachable()
  metrics.gauge('keyturn_db_up', () => [[{}, reach.isUp ? 1 : 0]])
  const measured = { entities, metrics, reach }
  const opened = config.databaseUrl
    ? await openServer(config, config.databaseUrl, measured)
    : await openFolder(config, measured)
  const { database, selfContained } = opened
  try {
    const applies = schema === 'migrate' || selfContained
    const migrations = applies ? await migrate(database.dataSource) : []
    if (migrations.length > 0) {
      log.debug({ migrations }, 'migrations applied')
      log.info({ migrations: migrations.length, last: migrations.at(-1) }, 'schema migrated')
    }
    const newer = schema === 'require' ? await assertMigrated(database.dataSource) : []
    if (newer.length > 0)
      log.warn({ migrations: newer }, 'the schema is from a later release, and compatible')
    const redis =
      config.redis && (await (await import('./redis.ts')).openRedis(config.redis, log, metrics))
    const shortLived = redis
      ? shortLivedInRedis(redis, clock)
      : shortLivedInPostgres(database, clock)
    const notifications = config.databaseUrl
      ? listenOnServer(
          {
            connectionString: config.databaseUrl,
            connectionTimeoutMillis: patience.connection,
            statement_timeout: patience.statement,
            keepAlive: true,
          },
          {
            database,
            log,
            metrics,
            reach,
            patience: patience.answer,
            prepares: config.databasePrepare,
          },
        )
      : noNotifications(database)
    return {
      ...opened,
      shortLived,
      sharedBuckets: redis && bucketsInRedis(redis, clock),
      notifications,
      async close() {
        await notifications.close()
        await shortLived.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

type Measured = Required<Pick<DatabaseOptions, 'entities' | 'metrics' | 'reach'>>

async function openServer(config: Config, url: string, measured: Measured) {
  const database = await openDatabase({
    ...measured,
    url,
    poolSize: config.databasePoolSize,
    connectPatience: patience.connection,
    answerPatience: patience.answer,
    prepares: config.databasePrepare,
    extra: {
      statement_timeout: patience.statement,
      idle_in_transaction_session_timeout: patience.idleTransaction,
      keepAlive: true,
      onConnect(client: ClientBase) {
        noteOpened(client)
        surviveItsEnd(client)
      },
    },
  })
  return { database, selfContained: false, description: maskUrl(url), maintenance: [] }
}

/**
 * Adds an error listener of our own. The pool removes its listener when it lends a connection, and the borrower adds
 * one a moment later. An error in between would be unhandled and end the process.
 */
function surviveItsEnd(client: ClientBase): void {
  client.on('error', () => undefined)
}

async function openFolder(config: Config, measured: Measured) {
  const engine = await openEmbedded(config.dataDir)
  const database = await openDatabase({
    ...measured,
    poolSize: 1,
    connectPatience: embeddedQueue,
    extra: engine.pgConfig,
    onClose: () => engine.close(),
  })
  return {
    database,
    selfContained: true,
    description: join(config.dataDir, 'postgres'),
    maintenance: engine.maintenance,
  }
}

/** Reads the clock of Postgres, which all nodes follow (architecture §4, Time). */
export async function followDatabaseClock(
  database: Pick<Database, 'query'>,
  clock: Clock,
): Promise<void> {
  const asked = performance.now()
  const [row] = await database.query<{ now: string }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as now`,
  )
  clock.follow(Number(row?.now), performance.now() - asked)
}
