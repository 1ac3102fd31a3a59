import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisTarget } from '../../config/config.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ShortLived, ShortLivedKey } from './short-lived.ts'

/** A client call waits this long, in milliseconds, and no longer: a dead Redis must cost a quick 503, never a hang. */
const patience = 200

const options = {
  commandTimeout: patience,
  // A connection that is silent for so long is given up: what was sent to a frozen server would pile up.
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

/** Only members that have a value: an undefined one would hide what ioredis reads from the URL. */
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

/** The tenant and the model are the Cluster hash tag: keys that are used together share a slot. */
function keyOf({ tenant, model, id }: ShortLivedKey): string {
  return `keyturn:{${tenant}:${model}}:${id}`
}

interface Stored {
  /** Expiry in milliseconds by the server's clock; Redis' own clock only cleans up. */
  e: number
  v: unknown
}

/**
 * Short-lived artifacts in Redis.
 * @throws DomainError `storage_unavailable` from every verb when Redis does not answer in time
 */
export async function shortLivedInRedis(
  target: RedisTarget,
  clock: Clock,
  log: Log,
): Promise<ShortLived> {
  const redis = connect(target)
  redis.on('error', (error: Error) => log.warn({ err: error }, 'redis connection failed'))
  await redis.connect().catch((cause: Error) => {
    redis.disconnect()
    throw unavailable(cause)
  })

  async function ask<T>(command: () => Promise<T>): Promise<T> {
    return command().catch((cause: Error) => {
      throw unavailable(cause)
    })
  }

  return {
    async get(key) {
      const text = await ask(() => redis.get(keyOf(key)))
      if (text === null) return undefined
      const stored = JSON.parse(text) as Stored
      return stored.e > clock.now() ? stored.v : undefined
    },
    async put(key, value, ttl) {
      const stored: Stored = { e: clock.now() + ttl * 1000, v: value }
      await ask(() => redis.set(keyOf(key), JSON.stringify(stored), 'EX', ttl))
    },
    delete: async (key) => void (await ask(() => redis.del(keyOf(key)))),
    ping: async () => void (await ask(() => redis.ping())),
    sweep: async () => 0,
    close: async () => redis.disconnect(),
  }
}

function unavailable(cause: Error): DomainError {
  return new DomainError('storage_unavailable', {
    detail: `Redis does not answer: ${cause.message || cause.name}`,
    cause,
  })
}
