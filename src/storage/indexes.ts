import type { QueryRunner } from 'typeorm'
import type { Migration } from '../../migrations/migration.ts'

/** Name → what it is on. */
type Indexes = Record<string, string>

/** The indexes that migrations have left for afterwards. */
export const indexesOf = (migrations: readonly Migration[]): Indexes =>
  Object.assign({}, ...migrations.map(({ indexes = {} }) => indexes))

/** Of these the names of those that are not there, or were not finished. */
export async function missingIndexes(runner: QueryRunner, indexes: Indexes): Promise<string[]> {
  const valid = await namesOf(runner, indexes, true)
  return Object.keys(indexes).filter((name) => !valid.includes(name))
}

/**
 * Makes those that are missing while others read and write. It waits for every transaction that is open: whoever holds
 * one and waits for this process waits for ever. What was cut short leaves an index that is kept up and serves nobody;
 * that goes first.
 */
export async function buildIndexes(runner: QueryRunner, indexes: Indexes): Promise<void> {
  const missing = await missingIndexes(runner, indexes)
  const unfinished = await namesOf(runner, indexes, false)
  for (const name of missing) {
    if (unfinished.includes(name)) await runner.query(`drop index concurrently ${name}`)
    await runner.query(`create index concurrently ${name} on ${indexes[name]}`)
  }
}

async function namesOf(runner: QueryRunner, indexes: Indexes, valid: boolean): Promise<string[]> {
  const rows: Array<{ name: string }> = await runner.query(
    `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
     where c.relname = any($1) and c.relnamespace = current_schema()::regnamespace and i.indisvalid = $2`,
    [Object.keys(indexes), valid],
  )
  return rows.map(({ name }) => name)
}
