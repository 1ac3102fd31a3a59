import { Redis } from 'ioredis'
import type { Nodes } from './cores.ts'

/** Everything that is stored, as text: all rows of Postgres, all keys and values of Redis. */
export async function dumpOf({ a, env }: Pick<Nodes, 'a' | 'env'>): Promise<string> {
  const tables = await a.database.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`,
  )
  let dump = ''
  for (const { name } of tables) {
    dump += JSON.stringify(await a.database.query(`select t::text from ${name} t`))
  }
  const url = env['REDIS_URL']
  if (url) {
    const redis = new Redis(url)
    for (const key of await redis.keys('*')) dump += `${key} ${await redis.get(key)}\n`
    redis.disconnect()
  }
  return dump
}
