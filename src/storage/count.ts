import type { Database } from './database.ts'
import { isTimedOut } from './violations.ts'

/** How many rows there are, and whether that is what the statistics of Postgres say, as counting would take long. */
export interface Count {
  rows: number
  isEstimate: boolean
}

/** Which rows of a tenant are counted. */
export interface Counted {
  table: string
  /**
   * SQL: columns behind `tenant_id` of the primary key, or of the index that has what is `within`. In this order they are
   * read: without one Postgres may look for them among those of all tenants.
   */
  order: string
  /** SQL: the condition of that index. What does not meet it is not read. */
  within?: string
  /** SQL over `$1`, the tenant, and further parameters: which of the rows that are read fit. */
  where?: string
}

/** Rows of a tenant that are looked at: some milliseconds, whatever Postgres believes of how many there are. */
const mostRead = 10_000

/** Counts rows of a tenant. However many it has, and however few of them fit, no more are read than `mostRead`. */
export async function countRows(
  database: Database,
  { table, order, within = 'true', where = 'true' }: Counted,
  parameters: [tenant: string, ...unknown[]],
): Promise<Count> {
  const count = () =>
    database.query<{ rows: number; read: number }>(
      `select count(*) filter (where ${where})::integer as rows, count(*)::integer as read
       from (select * from ${table} where tenant_id = $1 and ${within} order by ${order} limit ${mostRead + 1}) t`,
      parameters,
    )
  const [counted] = await count().catch((error: unknown) => {
    if (isTimedOut(error)) return []
    throw error
  })
  const { rows, read } = counted ?? { rows: 0, read: Infinity }
  if (read <= mostRead) return { rows, isEstimate: false }
  const [explained] = await database.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    `explain (format json) select 1 from ${table} where tenant_id = $1 and ${within} and ${where}`,
    parameters,
  )
  const estimated = explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0
  return { rows: Math.max(rows, estimated), isEstimate: true }
}
