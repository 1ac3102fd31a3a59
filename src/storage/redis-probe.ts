import type { Cluster, Redis } from 'ioredis'

/**
 * Checks that Redis accepts writes: one that is full, or a replica, still answers everything else. On a Cluster this
 * checks one shard.
 * @throws Error when it does not answer, or refuses
 */
export const keeps = (redis: Redis | Cluster): Promise<unknown> =>
  redis.set('keyturn:probe', '', 'EX', 1)

/**
 * Sends every command that Keyturn ever uses (docs/deployment.md), so that a missing permission or an old Redis shows
 * at start, not at the first sign-in.
 * @throws Error with the first refusal
 */
export async function rehearse(redis: Redis | Cluster): Promise<void> {
  const key = 'keyturn:rehearsal'
  await Promise.all([
    redis.set(key, '', 'EX', 1),
    redis.get(key),
    redis.getdel(key),
    redis.del(key),
    redis.eval('return 0', 1, key),
    // ioredis sends this when it connects, and continues without an answer when it is not permitted.
    redis.info('server'),
  ])
}
