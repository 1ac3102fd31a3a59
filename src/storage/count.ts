import type { Database } from './database.ts'
import { isTimedOut } from './violations.ts'

/** How many rows there are, and whether that is what the statistics of Postgres say, as counting would take long. */
export interface Count {
  rows: number
  isEstimate: boolean
}

/** As Postgres estimates it: about 300,000 rows from end to end, and a tenth of a second. */
const mostCost = 20_000
/**
 * Up to so many are counted, whatever Postgres expects that to cost: it knows nothing of a tenant that its statistics
 * do not name.
 */
const mostCounted = 300_000

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
  const count = async (what: string) => {
    const [row] = await database.query<{ rows: number }>(
      `select count(*)::integer as rows from ${what}`,
      parameters,
    )
    return row?.rows ?? 0
  }
  if (!plan || plan['Total Cost'] <= mostCost) return { rows: await count(from), isEstimate: false }
  const estimated = plan['Plan Rows']
  try {
    const rows = await count(`(select 1 from ${from} limit ${mostCounted + 1}) t`)
    const isEstimate = rows > mostCounted
    return { rows: isEstimate ? Math.max(rows, estimated) : rows, isEstimate }
  } catch (error) {
    // Few rows among very many that none of its indexes leads to.
    if (isTimedOut(error)) return { rows: estimated, isEstimate: true }
    throw error
  }
}
