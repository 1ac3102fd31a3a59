import type { Clock } from '../clock.ts'
import type { RedisConnection } from './redis.ts'
import { keeps } from './redis-probe.ts'
import type { ShortLived, ShortLivedKey } from './short-lived.ts'

/** Tenant and model are the Cluster hash tag: keys that are used together share a slot. */
function keyOf({ tenant, model, id }: ShortLivedKey): string {
  return `keyturn:{${tenant}:${model}}:${id}`
}

interface Stored {
  /** Expiry in milliseconds by the server's clock; Redis' own expiry only cleans up. */
  e: number
  v: unknown
}

/**
 * Short-lived artifacts in Redis. Every method throws DomainError `storage_unavailable` when Redis does not answer in
 * time.
 */
export function shortLivedInRedis({ ask, close }: RedisConnection, clock: Clock): ShortLived {
  function read(text: string | null): unknown {
    if (text === null) return undefined
    const stored = JSON.parse(text) as Stored
    return stored.e > clock.now() ? stored.v : undefined
  }

  function written(value: unknown, ttl: number): string {
    const stored: Stored = { e: clock.now() + ttl * 1000, v: value }
    return JSON.stringify(stored)
  }

  return {
    get: async (key) => read(await ask('get', (redis) => redis.get(keyOf(key)))),
    async put(key, value, ttl) {
      await ask('set', (redis) => redis.set(keyOf(key), written(value, ttl), 'EX', ttl))
    },
    async replace(key, value, ttl) {
      const text = written(value, ttl)
      return (await ask('set', (redis) => redis.set(keyOf(key), text, 'EX', ttl, 'XX'))) === 'OK'
    },
    take: async (key) => read(await ask('getdel', (redis) => redis.getdel(keyOf(key)))),
    delete: async (key) => void (await ask('del', (redis) => redis.del(keyOf(key)))),
    ping: async () => void (await ask('set', keeps)),
    sweep: async () => 0,
    close: async () => close(),
  }
}
