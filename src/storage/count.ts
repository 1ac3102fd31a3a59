import type { Database } from './database.ts'

/** How many rows there are, and whether that is what the statistics of Postgres say, as counting would take long. */
export interface Count {
  rows: number
  isEstimate: boolean
}

/** As Postgres estimates it: about 300,000 rows from end to end, and a tenth of a second. */
const mostCost = 20_000

/** @param from SQL: a table, and which of its rows */
export async function countRows(
  database: Database,
  from: string,
  parameters: unknown[],
): Promise<Count> {
  const [explained] = await database.query<{
    'QUERY PLAN': [{ Plan: { 'Plan Rows': number; 'Total Cost': number } }]
  }>(`explain (format json) select 1 from ${from}`, parameters)
  const plan = explained?.['QUERY PLAN'][0].Plan
  if (plan && plan['Total Cost'] > mostCost) return { rows: plan['Plan Rows'], isEstimate: true }
  const [row] = await database.query<{ rows: number }>(
    `select count(*)::integer as rows from ${from}`,
    parameters,
  )
  return { rows: row?.rows ?? 0, isEstimate: false }
}
