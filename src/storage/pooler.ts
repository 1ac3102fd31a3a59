import pg from 'pg'

/**
 * What lends connections between this process and Postgres: nothing, or for a whole session, which is the same here; a
 * pooler, for a transaction each; or such a one that does not know of prepared statements.
 */
export type Pooler = 'none' | 'per transaction' | 'per transaction, unprepared'

/** Milliseconds. */
const patience = 5000
/** Of a prepared statement: there is none of its name (invalid_sql_statement_name), or there is one of somebody else's. */
const unknownOrTaken = new Set<string | undefined>(['26000', '42P05'])
/** Statements of each of two connections: a pooler lends what was given back last, or one after the other. */
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

/** Two connections that are open at the same time have two processes of Postgres, unless they are lent. */
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

/** Whether a statement that was prepared is there also when another connection of the pooler is lent. */
async function keepsPrepared(one: pg.Client, other: pg.Client): Promise<boolean> {
  const prepared = { name: 'keyturn_doctor', text: 'select 1' }
  try {
    await one.query(prepared)
    // What was given back last is lent next, and held: by then `one` has to have another.
    await other.query('begin')
    await one.query(prepared)
    return true
  } catch (error) {
    if (unknownOrTaken.has((error as pg.DatabaseError).code)) return false
    throw error
  }
}
