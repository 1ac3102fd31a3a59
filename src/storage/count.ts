import type { Database } from './database.ts'
import { isTimedOut } from './violations.ts'

/** A number of rows, exact or, where counting would take too long, the planner's estimate. */
export interface Count {
  rows: number
  isEstimate: boolean
}

/** Which rows of a tenant to count. */
export interface Counted {
  table: string
  /**
   * SQL: the columns after `tenant_id` of the primary key, or of the partial index selected by `within`. The scan
   * follows this order; without it Postgres may scan the rows of all tenants.
   */
  order: string
  /** SQL: the condition of that partial index. Rows outside of it are not read. */
  within?: string
  /** SQL over `$1`, the tenant, and further parameters: which of the scanned rows to count. */
  where?: string
}

/** Most rows to scan: takes some milliseconds, whatever plan Postgres chooses. */
const mostRead = 10_000

/** Counts rows of a tenant. Scans at most `mostRead` of them, however many there are and however few match. */
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
