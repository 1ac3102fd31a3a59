import { setBounded } from '../bounded-map.ts'
import type { Clock } from '../clock.ts'
import type { Changes } from './changes.ts'
import type { Database } from './database.ts'

export interface Cache<Value> {
  get(key: string, load: () => Promise<Value>): Promise<Value>
  /** Forgets one key on this node; within a transaction also when that is committed. */
  drop(key: string): void
  /** Forgets all keys on this node. */
  clear(): void
}

/**
 * Keys that are remembered as absent. Strangers can invent any number of them, so they have a bound of their own and
 * push out nothing that exists.
 */
const mostAbsent = 1000

/**
 * A bounded cache of rows that many requests read and few change. A change is seen by other nodes after `maxAge`, or as
 * soon as this one hears of it: then nothing of the cache counts while the node cannot know that it hears.
 *
 * A load that is under way is shared between requests, but never into or out of an open transaction: what a
 * transaction reads through its own connection belongs to it, and waiting for another request's connection while
 * holding one would deadlock a pool of one.
 * @param maxAge seconds
 * @param changes from which the owner of the cache hears what to drop
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
    // A load that began before the change must not put the old value back; nor one before its commit.
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
