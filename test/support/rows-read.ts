import pg from 'pg'
import { fillWithRows } from '../../bench/suite/rows.ts'
import type { Core } from '../../src/core.ts'

/** Creates many accounts, clients, grants and families on a Postgres server. @param env as `freshStorage` returns it */
export async function fillWithMany(env: Record<string, string>, many: number): Promise<void> {
  const client = new pg.Client({ connectionString: env['DATABASE_URL'] })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await fillWithRows((sql, given) => client.query(sql, given), many, many)
  await client.end()
}

/** Number of rows of a table that some work reads. @param prepare runs before it */
export async function rowsRead(
  core: Core,
  table: string,
  work: () => Promise<unknown>,
  prepare = async (): Promise<unknown> => undefined,
): Promise<number> {
  const soFar = async () => {
    const [row] = await core.database.query<{ read: string }>(
      `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read
       from pg_stat_xact_user_tables where relname = $1`,
      [table],
    )
    return Number(row?.read)
  }
  let read = 0
  // On one connection, whose statistics these are; it is rolled back.
  await core.database.unit(async (unit) => {
    await unit.open()
    await prepare()
    const before = await soFar()
    await work()
    read = (await soFar()) - before
    return false
  })
  return read
}
