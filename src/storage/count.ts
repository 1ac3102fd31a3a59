import type { Database } from './database.ts'

/** How many rows there are, and whether that is what the statistics of Postgres say, as counting would take long. */
export interface Count {
  rows: number
  isEstimate: boolean
}

/** Rows of a tenant that are looked at: some milliseconds, whatever Postgres believes of how many there are. */
const mostRead = 10_000

/**
 * Counts rows of a tenant. However many it has, and however few of them fit, no more are read than `mostRead`.
 * @param where SQL over `$1`, the tenant, and further parameters
 */
export async function countRows(
  database: Database,
  { table, where = 'true' }: { table: string; where?: string },
  parameters: [tenant: string, ...unknown[]],
): Promise<Count> {
  const [counted] = await database.query<{ rows: number; read: number }>(
    `select count(*) filter (where fits)::integer as rows, count(*)::integer as read
     from (select ${where} as fits from ${table} where tenant_id = $1 limit ${mostRead + 1}) t`,
    parameters,
  )
  const { rows = 0, read = 0 } = counted ?? {}
  if (read <= mostRead) return { rows, isEstimate: false }
  const [explained] = await database.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    `explain (format json) select 1 from ${table} where tenant_id = $1 and ${where}`,
    parameters,
  )
  const estimated = explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0
  return { rows: Math.max(rows, estimated), isEstimate: true }
}
