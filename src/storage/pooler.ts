import pg from 'pg'

/**
 * What stands between this process and Postgres: no pooler, or one that lends connections per session, which makes no
 * difference here (`none`); a pooler that lends them per transaction; or such a pooler without support for prepared
 * statements.
 */
export type Pooler = 'none' | 'per transaction' | 'per transaction, unprepared'

/** Milliseconds. */
const patience = 5000
/**
 * SQLSTATEs of a prepared statement that does not exist (invalid_sql_statement_name), or whose name is already in use
 * by another client (duplicate_prepared_statement).
 */
const unknownOrTaken = new Set<string | undefined>(['26000', '42P05'])
/**
 * Statements to send over each of two connections: a pooler lends the most recently returned server connection, or
 * takes them in turn.
 */
const most = 20

/** @throws Error when Postgres cannot be reached, or does not answer in time */
export async function findPooler(connectionString: string): Promise<Pooler> {
  const settings = { connectionString, connectionTimeoutMillis: patience, query_timeout: patience }
  const [one, other] = [new pg.Client(settings), new pg.Client(settings)]
  for (const client of [one, other]) client.on('error', () => undefined)
  try {
    await one.connect()
    await other.connect()
    if (!(await shareBackend(one, other))) return 'none'
    return (await keepsPrepared(one, other)) ? 'per transaction' : 'per transaction, unprepared'
  } finally {
    await Promise.allSettled([one.end(), other.end()])
  }
}

/** Whether two open connections share a backend process. Without a pooler each has its own. */
async function shareBackend(one: pg.Client, other: pg.Client): Promise<boolean> {
  const backend = async (client: pg.Client) => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]?.pid
  }
  const ofOne = new Set<unknown>()
  const ofOther = new Set<unknown>()
  for (let i = 0; i < most; i++) {
    ofOne.add(await backend(one))
    ofOther.add(await backend(other))
    if ([...ofOne].some((pid) => ofOther.has(pid))) return true
  }
  return false
}

/** Whether a prepared statement still exists when the pooler lends another server connection. */
async function keepsPrepared(one: pg.Client, other: pg.Client): Promise<boolean> {
  const prepared = { name: 'keyturn_doctor', text: 'select 1' }
  try {
    await one.query(prepared)
    // The pooler lends the most recently returned server connection. The open transaction pins it, so `one` now gets
    // another.
    await other.query('begin')
    await one.query(prepared)
    return true
  } catch (error) {
    if (unknownOrTaken.has((error as pg.DatabaseError).code)) return false
    throw error
  }
}
