import { Redis } from 'ioredis'
import type { Core } from '../../src/core.ts'

/** Loses everything short-lived of one installation: its Redis database, or the table that stands for it. */
export async function forgetShortLived(
  { database }: Pick<Core, 'database'>,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const url = env['REDIS_URL']
  if (url === undefined) {
    await database.execute('delete from short_lived')
    return
  }
  const redis = new Redis(url)
  await redis.flushdb()
  redis.disconnect()
}
