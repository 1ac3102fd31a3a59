import pg from 'pg'
import { openNode } from '../../test/support/cores.ts'
import { fillWithRows } from './rows.ts'

/**
 * Fills a storage with so many of each as fast as it goes: rows that fit each other, so that nobody has to look whether
 * they do, and without waiting for the disk. Afterwards it is as one that has been in use for a while.
 */
export async function fill(env: Record<string, string>, count: number): Promise<void> {
  const { DATABASE_URL } = env
  if (DATABASE_URL === undefined) {
    const { database, close } = await openNode(env)
    await fillWithRows((sql, given) => database.execute(sql, given), count, 5000)
    await close()
    return
  }
  const client = new pg.Client({ connectionString: DATABASE_URL })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await client.query('set synchronous_commit = off')
  await fillWithRows((sql, given) => client.query(sql, given), count, 100_000)
  await client.query('vacuum (analyze)')
  await client.query('checkpoint')
  await client.end()
}

/** What autovacuum does within a minute: a small table has grown many times over by then. */
export async function analyze({ DATABASE_URL }: Record<string, string>): Promise<void> {
  if (DATABASE_URL === undefined) return
  const client = new pg.Client({ connectionString: DATABASE_URL })
  await client.connect()
  await client.query('analyze')
  await client.end()
}
