import pg from 'pg'
import { openNode } from '../../test/support/cores.ts'
import { type Fill, filledTables, fillWithRows } from './rows.ts'

/**
 * Fills storage with `count` rows of each kind as fast as possible: consistent rows, so that constraints need not be
 * checked, without waiting for the disk, and with indexes created afterwards. The result resembles storage that has
 * been in use for a while.
 * @param say takes progress messages
 */
export async function fill(
  env: Record<string, string>,
  count: number,
  say: (what: string) => void = () => undefined,
): Promise<void> {
  const { DATABASE_URL } = env
  if (DATABASE_URL === undefined) {
    const { database, close } = await openNode(env)
    await fillWithRows((sql, given) => database.execute(sql, given), count, 5000)
    await close()
    return
  }
  const client = new pg.Client({ connectionString: DATABASE_URL })
  await client.connect()
  const run: Fill = async (sql, given) => {
    const began = performance.now()
    await client.query(sql, given)
    const seconds = (performance.now() - began) / 1000
    if (seconds > 1) say(`${sql.split(/[(\n]/)[0]} in ${seconds.toFixed(0)} s`)
  }
  await run('set session_replication_role = replica')
  await run('set synchronous_commit = off')
  await run("set work_mem = '1GB'")
  await run("set maintenance_work_mem = '1GB'")
  const { rows } = await client.query<{ name: string; definition: string }>(indexes, [filledTables])
  for (const { name } of rows) await run(`drop index ${name}`)
  await fillWithRows(run, count, count)
  for (const { definition } of rows) await run(definition)
  await run('vacuum (analyze)')
  await run('checkpoint')
  await client.end()
}

/** All indexes of these tables except those of constraints. */
const indexes = `select indexname as name, indexdef as definition from pg_indexes
  where schemaname = 'public' and tablename = any($1) and indexname not in (select conname from pg_constraint)`

/** What autovacuum does within a minute; by then a small table has grown many times over. */
export async function analyze({ DATABASE_URL }: Record<string, string>): Promise<void> {
  if (DATABASE_URL === undefined) return
  const client = new pg.Client({ connectionString: DATABASE_URL })
  await client.connect()
  await client.query('analyze')
  await client.end()
}
