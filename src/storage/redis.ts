import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisTarget } from '../../config/config.ts'
import { DomainError } from '../errors.ts'
import { inTime } from '../in-time.ts'
import type { Log } from '../log.ts'
import { type Metrics, noMetrics, timed } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { keeps, rehearse } from './redis-probe.ts'

/** One connection to Redis for everything that a process keeps there. */
export interface RedisConnection {
  /**
   * @param name of the command
   * @throws DomainError `storage_unavailable` when Redis does not answer in time, or refuses the command
   */
  ask<T>(name: string, command: (redis: Redis | Cluster) => Promise<T>): Promise<T>
  close(): void
}

/** Milliseconds that a command may take. A dead Redis must cost a quick 503, never a hang. */
const patience = 200

const options = {
  // Commands of one turn of the event loop go out in one write.
  enableAutoPipelining: true,
  // A silent connection is given up: commands to a frozen server would pile up.
  socketTimeout: 1000,
  connectTimeout: 2000,
  maxRetriesPerRequest: 0,
} satisfies RedisOptions

const connection = {
  ...options,
  enableOfflineQueue: false,
  lazyConnect: true,
  retryStrategy: (attempt: number) => Math.min(50 * attempt, 1000),
} satisfies RedisOptions

/** Only members with a value: an undefined one would override what ioredis reads from the URL. */
function credentials({ username, password }: { username?: string; password?: string }) {
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) }
}

function connect(target: RedisTarget): Redis | Cluster {
  switch (target.kind) {
    case 'cluster':
      return new Cluster(target.nodes, {
        redisOptions: { ...options, ...credentials(target) },
        enableOfflineQueue: false,
        lazyConnect: true,
      })
    case 'sentinel':
      return new Redis({
        ...connection,
        ...credentials(target),
        sentinels: target.nodes,
        name: target.master,
        db: target.db,
      })
    case 'single':
      return new Redis(target.url, connection)
  }
}

/** Milliseconds that a start waits for Redis to answer, beyond the time of a silent connection. */
const startPatience = 4000

/**
 * Whether an error of Redis or TLS means a wrong configuration, which waiting does not cure. Too many clients, or a
 * Redis that loads its data, is none.
 */
function isMisconfigured({ message, code = '' }: Error & { code?: string }): boolean {
  return (
    /^(WRONGPASS|NOAUTH|NOPERM|DENIED|ERR (?!max number of clients))/.test(message) ||
    /CERT|SIGNATURE|^INVALID_|^ERR_(SSL|TLS)_/.test(code)
  )
}

/**
 * Connects. Nothing in Redis is required to start, so a start continues without it, just like a process that loses it
 * later; the client reconnects until Redis answers.
 * @throws DomainError `config_invalid` when Redis refuses the configured credentials or certificate
 */
export async function openRedis(
  target: RedisTarget,
  log: Log,
  metrics: Metrics = noMetrics,
): Promise<RedisConnection> {
  const redis = connect(target)
  let said: Error | undefined
  let saidByNode: Error | undefined
  redis.on('connect', () => {
    said = undefined
  })
  redis.on('error', (error: Error) => {
    said = error
    log.warn({ err: error }, 'redis connection failed')
  })
  redis.on('node error', (error: Error) => {
    saidByNode = error
  })
  const connected = inTime(redis.connect(), startPatience).catch((error: Error) => {
    throw saidByNode ?? said ?? error
  })
  const absent = await connected
    .then(() => inTime(rehearse(redis), startPatience))
    .then(
      () => undefined,
      (error: Error) => error,
    )
  // With a wrong database number the client connects all the same: to another database.
  const fault = absent ?? said
  if (fault && isMisconfigured(fault)) {
    redis.disconnect()
    const detail = `REDIS_URL: Redis cannot be used: ${fault.message}`
    throw new DomainError('config_invalid', { detail, cause: fault })
  }
  if (absent) log.warn({ err: absent }, 'started without Redis: sign-ins fail until it answers')
  // This gauge asks Redis: a process that has nothing else to ask would not notice that it is frozen.
  metrics.gauge('keyturn_redis_up', async () => {
    const kept = inTime(keeps(redis), patience).then(
      () => 1,
      () => 0,
    )
    return [[{}, await kept]]
  })
  const took = (command: string) => (seconds: number, failed: boolean) => {
    metrics.observe('keyturn_redis_command_duration_seconds', { command }, seconds)
    if (failed) metrics.count('keyturn_redis_command_failures_total', { command })
  }
  return {
    ask: (name, command) =>
      traced(
        () => spanOf(name),
        () => timed(metrics, took(name), () => inTime(command(redis), patience, late)),
      ).catch((error: Error) => {
        // The client reports that there is no connection; `said` has the reason.
        throw unavailable(redis.status === 'ready' ? error : (said ?? error))
      }),
    close: () => redis.disconnect(),
  }
}

/** Counted from the call: a command behind a pipeline that hangs is never sent. */
const late = () => new Error(`no answer within ${patience} ms`)

/** Keys contain tenants and hashes, so spans leave them out. */
function spanOf(command: string) {
  const attributes = { 'db.system.name': 'redis', 'db.operation.name': command }
  return { name: command, kind: 'client' as const, attributes }
}

function unavailable(cause: Error): DomainError {
  const outcome = cause.name === 'ReplyError' ? 'refuses' : 'does not answer'
  return new DomainError('storage_unavailable', {
    detail: `Redis ${outcome}: ${cause.message || cause.name}`,
    cause,
  })
}
