import { setBounded } from '../bounded-map.ts'
import type { Clock } from '../clock.ts'
import { type BucketKey, type Buckets, spansOf } from './buckets.ts'

/** Most buckets in memory; beyond that the least recently used one is dropped. */
const mostBuckets = 50_000

/** Buckets in the memory of this process: for installations without Redis, and while Redis is unreachable. */
export function localBuckets(clock: Clock): Buckets {
  /** Bucket id → when the bucket is full again, in milliseconds since the epoch. */
  const full = new Map<string, number>()
  const idOf = ({ tenant, name, subject }: BucketKey) => `${tenant}:${name}:${subject}`

  return {
    async take(key, bucket) {
      const id = idOf(key)
      const { step, whole } = spansOf(bucket)
      const now = clock.now()
      const next = Math.max(full.get(id) ?? now, now) + step
      if (next - now > whole) return next - now - whole
      setBounded(full, id, next, mostBuckets)
      return 0
    },
    async giveBack(key, bucket) {
      const id = idOf(key)
      const at = full.get(id)
      if (at === undefined) return
      const next = at - spansOf(bucket).step
      if (next <= clock.now()) full.delete(id)
      else full.set(id, next)
    },
  }
}
