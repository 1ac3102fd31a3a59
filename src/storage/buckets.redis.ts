import type { Clock } from '../clock.ts'
import { type BucketKey, type Buckets, spansOf } from './buckets.ts'
import type { RedisConnection } from './redis.ts'

/**
 * No command uses two buckets, so a bucket need not share a Cluster slot with another: its whole name is the hash tag.
 */
function keyOf({ tenant, name, subject }: BucketKey): string {
  return `keyturn:{${tenant}:limit:${name}:${subject}}`
}

// `string.format` because Lua's `tostring` would round a time in milliseconds to 14 digits.
const taking = `
local now, step, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('get', KEYS[1]) or now)
if full < now then full = now end
local next = full + step
if next - now > whole then return next - now - whole end
redis.call('set', KEYS[1], string.format('%.0f', next), 'PX', math.max(next - now, 1))
return 0`

const givingBack = `
local now, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('get', KEYS[1]) or now)
local next = full - step
if next <= now then redis.call('del', KEYS[1])
else redis.call('set', KEYS[1], string.format('%.0f', next), 'PX', math.max(next - now, 1)) end
return 0`

/** Buckets shared by all processes. Throws DomainError `storage_unavailable` when Redis does not answer in time. */
export function bucketsInRedis({ ask }: RedisConnection, clock: Clock): Buckets {
  return {
    async take(key, bucket) {
      const { step, whole } = spansOf(bucket)
      return Number(
        await ask('eval', (redis) => redis.eval(taking, 1, keyOf(key), clock.now(), step, whole)),
      )
    },
    async giveBack(key, bucket) {
      const { step } = spansOf(bucket)
      await ask('eval', (redis) => redis.eval(givingBack, 1, keyOf(key), clock.now(), step))
    },
  }
}
