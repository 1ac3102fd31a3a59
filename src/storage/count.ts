import type { Database } from './database.ts'

/** How many rows there are. @param from SQL: a table, and which of its rows */
export async function countRows(
  database: Database,
  from: string,
  parameters: unknown[],
): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select count(*)::integer as count from ${from}`,
    parameters,
  )
  return row?.count ?? 0
}
