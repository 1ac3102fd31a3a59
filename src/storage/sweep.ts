import { setImmediate } from 'node:timers/promises'
import type { EntitySchema } from 'typeorm'
import type { Database } from './database.ts'

/** Rows that one batch changes: few enough to hold no lock for long. */
export const sweepBatch = 500
/** Most batches of one round; the rest waits for the next round. */
const mostBatches = 200

/** Key of the advisory lock: any 64-bit number that no other advisory lock has. */
export const sweepLock = 4_917_260_332

/**
 * SQL: whether this statement may sweep. One node at a time may, until its statement ends. A scalar subquery is
 * evaluated once and first, so that other nodes read nothing.
 */
export const mySweep = `(select pg_try_advisory_xact_lock(${sweepLock}))`

/**
 * Deletes expired rows, batch by batch.
 * @param where SQL over `$1`
 * @param before `$1`, in milliseconds since the epoch
 * @returns how many
 */
export function sweepTable(
  database: Database,
  { options: { name, columns } }: EntitySchema,
  where: string,
  before: number,
): Promise<number> {
  const key = Object.keys(columns)
    .filter((column) => columns[column]?.primary)
    .join(', ')
  return inBatches(
    database,
    `delete from ${name} where (${key}) in (
       select ${key} from ${name} where ${mySweep} and (${where})
       limit ${sweepBatch} for update skip locked)`,
    [new Date(before)],
  )
}

/**
 * Repeats a statement that changes at most `sweepBatch` rows until it changes fewer. Each run is its own transaction,
 * so requests get in between.
 * @param statement must match rows only where `mySweep`
 * @returns how many rows
 */
export async function inBatches(
  database: Database,
  statement: string,
  parameters: unknown[],
): Promise<number> {
  let total = 0
  for (let round = 0; round < mostBatches; round++) {
    const changed = await database.execute(statement, parameters)
    total += changed
    if (changed < sweepBatch) break
    await setImmediate()
  }
  return total
}
