import type { QueryRunner } from 'typeorm'
import type { Migration } from '../../migrations/migration.ts'

/** Index name → the table and columns it is on. */
type Indexes = Record<string, string>

/** The indexes that migrations leave to be built concurrently afterwards. */
export const indexesOf = (migrations: readonly Migration[]): Indexes =>
  Object.assign({}, ...migrations.map(({ indexes = {} }) => indexes))

/** Names of the given indexes that are missing or invalid. */
export async function missingIndexes(runner: QueryRunner, indexes: Indexes): Promise<string[]> {
  const valid = await namesOf(runner, indexes, true)
  return Object.keys(indexes).filter((name) => !valid.includes(name))
}

/**
 * Builds the missing indexes without blocking reads and writes (CREATE INDEX CONCURRENTLY). It waits for every open
 * transaction, so a caller that holds one and waits for this deadlocks. An interrupted build leaves an invalid index,
 * which costs writes and serves no reads; it is dropped first.
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
