import type { Database } from './database.ts'

/** Rows that one statement removes: little enough to hold no lock for long. */
const batch = 500
/** Batches of one round; what is left waits for the next. */
const mostBatches = 200

export interface Sweep {
  table: string
  /** Columns of the primary key. */
  key: string[]
  /** SQL over `$1`. */
  where: string
  /** `$1`, in milliseconds since the epoch. */
  before: number
}

/** Deletes rows that are over, batch by batch; what another node is deleting is left to it. @returns how many */
export async function sweepTable(
  database: Database,
  { table, key, where, before }: Sweep,
): Promise<number> {
  const columns = key.join(', ')
  let total = 0
  for (let round = 0; round < mostBatches; round++) {
    const deleted = await database.execute(
      `delete from ${table} where (${columns}) in (
         select ${columns} from ${table} where ${where} limit ${batch} for update skip locked)`,
      [new Date(before)],
    )
    total += deleted
    if (deleted < batch) break
  }
  return total
}
