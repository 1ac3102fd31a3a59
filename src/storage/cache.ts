import { setBounded } from '../bounded-map.ts'
import type { Clock } from '../clock.ts'
import type { Changes } from './changes.ts'
import type { Database } from './database.ts'

export interface Cache<Value> {
  get(key: string, load: () => Promise<Value>): Promise<Value>
  /** Drops one key on this node. Within a transaction it is dropped again after the commit. */
  drop(key: string): void
  /** Drops all keys on this node. */
  clear(): void
}

/**
 * Most keys that are cached as absent. Anyone can ask for any number of made-up keys, so absent keys have a bound of
 * their own and never evict rows that exist.
 */
const mostAbsent = 1000

/**
 * A bounded cache of rows that are read often and changed rarely. Another node sees a change after `maxAge`, or as soon
 * as `changes` reports it. While this node may be missing changes (`changes.isFresh()` is false), the cache is
 * bypassed.
 *
 * Concurrent requests share one load, except within an open transaction: others must not see what a transaction reads,
 * and waiting for another request's connection while holding one would deadlock a pool of one.
 * @param maxAge seconds
 * @param changes whether changes of other nodes are received; the cache's owner follows them and calls `drop`
 */
export function createCache<Value>(
  { database, clock }: { database: Database; clock: Clock },
  { maxAge, maxSize, changes }: { maxAge: number; maxSize: number; changes?: Changes },
): Cache<Value> {
  type Entries = Map<string, { value: Value; until: number }>
  const present: Entries = new Map()
  const absent: Entries = new Map()
  const loading = new Map<string, Promise<Value>>()
  const isKnown = () => changes === undefined || changes.isFresh()

  function keep(key: string, value: Value): Value {
    present.delete(key)
    absent.delete(key)
    if (!isKnown()) return value
    const [entries, most] =
      value === undefined ? [absent, Math.min(mostAbsent, maxSize)] : [present, maxSize]
    setBounded(entries, key, { value, until: clock.now() + maxAge * 1000 }, most)
    return value
  }

  function forget(key: string): void {
    present.delete(key)
    absent.delete(key)
    loading.delete(key)
  }

  return {
    async get(key, load) {
      const entry = present.get(key) ?? absent.get(key)
      if (entry && isKnown() && entry.until > clock.now()) return entry.value
      if (database.current()?.isOpen()) return load()
      let pending = loading.get(key)
      if (!pending) {
        const own: Promise<Value> = load()
          .then((value) => (loading.get(key) === own ? keep(key, value) : value))
          .finally(() => {
            if (loading.get(key) === own) loading.delete(key)
          })
        loading.set(key, own)
        pending = own
      }
      return pending
    },
    // A load that began before the change, or before its commit, must not put the old value back.
    drop(key) {
      forget(key)
      const unit = database.current()
      if (unit?.isOpen()) unit.afterCommit(async () => forget(key))
    },
    clear() {
      present.clear()
      absent.clear()
      loading.clear()
    },
  }
}
