import { setImmediate } from 'node:timers/promises'
import type { EntitySchema } from 'typeorm'
import type { Database } from './database.ts'

/** Rows that one batch changes: little enough to hold no lock for long. */
export const sweepBatch = 500
/** Batches of one round; what is left waits for the next. */
const mostBatches = 200

/** Any 64-bit number serves; it only must differ from other advisory locks. */
export const sweepLock = 4_917_260_332

/**
 * Whether this statement may sweep: one node at a time does, until its statement ends. Asked once and first, so that whoever
 * may not reads nothing.
 */
export const mySweep = `(select pg_try_advisory_xact_lock(${sweepLock}))`

/**
 * Deletes rows that are over, batch by batch.
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
 * Repeats a statement that changes at most `sweepBatch` rows until it finds no more. Each is a transaction of its own;
 * requests come in between.
 * @param statement finds rows only where `mySweep`
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
