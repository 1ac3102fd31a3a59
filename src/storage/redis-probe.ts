import type { Cluster, Redis } from 'ioredis'

/**
 * Asks whether Redis keeps what it is told: one that is full, or a replica, answers all else. Of a cluster this is one of
 * its shards.
 * @throws Error when it does not answer, or says why not
 */
export const keeps = (redis: Redis | Cluster): Promise<unknown> =>
  redis.set('keyturn:probe', '', 'EX', 1)
