import type { Cluster, Redis } from 'ioredis'

/**
 * Asks whether Redis keeps what it is told: one that is full, or a replica, answers all else. Of a cluster this is one of
 * its shards.
 * @throws Error when it does not answer, or says why not
 */
export const keeps = (redis: Redis | Cluster): Promise<unknown> =>
  redis.set('keyturn:probe', '', 'EX', 1)

/**
 * Says once everything that is ever said to Redis (docs/deployment.md): what its user may not do, or an old one cannot, shows
 * at the start, and not when somebody signs in.
 * @throws Error that says the first that was refused
 */
export async function rehearse(redis: Redis | Cluster): Promise<void> {
  const key = 'keyturn:rehearsal'
  await Promise.all([
    redis.set(key, '', 'EX', 1),
    redis.get(key),
    redis.getdel(key),
    redis.del(key),
    redis.eval('return 0', 1, key),
    // Which the library asks when it connects, and does without when it may not.
    redis.info('server'),
  ])
}
