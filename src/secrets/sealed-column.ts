import { setImmediate } from 'node:timers/promises'
import { DomainError, isDomainError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { type Envelopes, keyIdIn } from './seal.ts'

/** A column of envelopes, and the purpose for which each row is sealed. */
export interface SealedColumn {
  table: string
  /** Columns of the primary key; all are text. */
  key: string[]
  column: string
  /** @param of values of the primary key */
  purpose(...of: string[]): string
  /** The purpose in an earlier version, which rows may have until the next rotation. */
  formerly?(...of: string[]): string
}

type Row = Record<string, string> & { sealed: string }

const valuesOf = ({ key }: Pick<SealedColumn, 'key'>, row: Row) =>
  key.map((name) => row[name] as string)

/** Rows of one batch: each is one statement, to hold locks only briefly. */
const batch = 200
/** Most passes over all columns, in case other nodes keep sealing with an old key. */
const mostPasses = 5

/** SQL: whether a value is an envelope; a column may hold other values, too. */
const isEnvelope = (column: string) => `${column} like 'v1.%'`

/** Batches of rows that match a condition, in the order of the primary key. */
async function* rowsOf(
  database: Database,
  { table, key, column }: SealedColumn,
  condition = 'true',
  parameter?: string,
): AsyncGenerator<Row[]> {
  const columns = key.join(', ')
  const given = parameter === undefined ? [] : [parameter]
  const after = key.map((_, i) => `$${i + 1 + given.length}`).join(', ')
  let last = key.map(() => '')
  for (;;) {
    const rows = await database.query<Row>(
      `select ${columns}, ${column} as sealed from ${table}
       where ${isEnvelope(column)} and ${condition} and (${columns}) > (${after})
       order by ${columns} limit ${batch}`,
      [...given, ...last],
    )
    if (rows.length > 0) yield rows
    if (rows.length < batch) return
    last = valuesOf({ key }, rows.at(-1) as Row)
    await setImmediate()
  }
}

/** One row for each key that has sealed a value in the column, found by its index (migration 0040) in constant time. */
function samplesOf(database: Database, { table, key, column }: SealedColumn): Promise<Row[]> {
  const keyId = `split_part(${column}, '.', 2)`
  const next = (condition: string) =>
    `(select ${keyId} from ${table} where ${isEnvelope(column)} and ${condition} order by ${keyId} limit 1)`
  return database.query<Row>(
    `with recursive sealing (key_id) as (
       select ${next('true')}
       union all select ${next(`${keyId} > sealing.key_id`)} from sealing where sealing.key_id is not null)
     select ${key.map((name) => `sample.${name}`).join(', ')}, sample.${column} as sealed
     from sealing cross join lateral (
       select * from ${table} where ${isEnvelope(column)} and ${keyId} = sealing.key_id limit 1) sample`,
  )
}

function assertOpens(envelopes: Envelopes, sealed: SealedColumn, row: Row): void {
  const of = valuesOf(sealed, row)
  try {
    envelopes.open(sealed.purpose(...of), row.sealed, sealed.formerly?.(...of))
  } catch (cause) {
    if (!isDomainError(cause)) throw cause
    throw new DomainError('key_encryption_key_invalid', {
      detail: `${cause.message.replace(/\.$/, '')} (${sealed.table}: ${of.join(', ')}).`,
      cause,
    })
  }
}

/**
 * Opens one envelope of each key in use, so that a missing key stops the start and not a request. Takes constant time.
 * @throws DomainError `key_encryption_key_invalid` naming a row that does not open
 */
export async function assertKeysOpen(
  database: Database,
  envelopes: Envelopes,
  columns: SealedColumn[],
): Promise<void> {
  for (const sealed of columns) {
    for (const row of await samplesOf(database, sealed)) assertOpens(envelopes, sealed, row)
  }
}

/**
 * Opens every envelope.
 * @returns how many there are
 * @throws DomainError `key_encryption_key_invalid` naming the first row that does not open
 */
export async function openAll(
  database: Database,
  envelopes: Envelopes,
  columns: SealedColumn[],
): Promise<number> {
  let count = 0
  for (const sealed of columns) {
    for await (const rows of rowsOf(database, sealed)) {
      for (const row of rows) assertOpens(envelopes, sealed, row)
      count += rows.length
    }
  }
  return count
}

/**
 * Reseals under the current key all values that are sealed under another. A row is changed only if it is still as it
 * was read, so others may write concurrently. Interrupted work stays valid, and another call does the rest.
 * @returns `table.column` → number of rows
 * @throws DomainError `key_encryption_key_invalid` when a row does not open, or others keep sealing with an old key
 */
export async function reseal(
  database: Database,
  envelopes: Envelopes,
  columns: SealedColumn[],
): Promise<Record<string, number>> {
  const counts = Object.fromEntries(columns.map((each) => [nameOf(each), 0]))
  let strangers = new Set<string>()
  for (let pass = 0; pass < mostPasses; pass++) {
    strangers = new Set()
    for (const sealed of columns) {
      const others = rowsOf(
        database,
        sealed,
        `split_part(${sealed.column}, '.', 2) <> $1`,
        envelopes.keyId,
      )
      for await (const rows of others) {
        for (const { sealed: envelope } of rows) strangers.add(String(keyIdIn(envelope)))
        counts[nameOf(sealed)] =
          (counts[nameOf(sealed)] ?? 0) + (await replace(database, envelopes, sealed, rows))
      }
    }
    if (strangers.size === 0) return counts
  }
  throw new DomainError('key_encryption_key_invalid', {
    detail:
      `Another process still seals under key ${[...strangers].join(', ')}. ` +
      `Make key ${envelopes.keyId} the current key of every process, then repeat the command.`,
  })
}

/** Writes one batch in one statement. @returns number of rows that were still as read */
function replace(
  database: Database,
  envelopes: Envelopes,
  sealed: SealedColumn,
  rows: Row[],
): Promise<number> {
  const { table, key, column } = sealed
  const fresh = rows.map((row) => {
    const of = valuesOf(sealed, row)
    const purpose = sealed.purpose(...of)
    return envelopes.seal(purpose, envelopes.open(purpose, row.sealed, sealed.formerly?.(...of)))
  })
  const names = [...key, 'old', 'fresh']
  return database.execute(
    `update ${table} t set ${column} = v.fresh
     from unnest(${names.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as v (${names.join(', ')})
     where ${key.map((name) => `t.${name} = v.${name}`).join(' and ')} and t.${column} = v.old`,
    [...key.map((name) => rows.map((row) => row[name])), rows.map((row) => row.sealed), fresh],
  )
}

/** Number of envelopes by key id. */
export async function envelopesByKey(
  database: Database,
  columns: SealedColumn[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const { table, column } of columns) {
    const rows = await database.query<{ id: string; count: string }>(
      `select split_part(${column}, '.', 2) as id, count(*) from ${table} where ${isEnvelope(column)} group by 1`,
    )
    for (const { id, count } of rows) found.set(id, (found.get(id) ?? 0) + Number(count))
  }
  return found
}

const nameOf = ({ table, column }: SealedColumn) => `${table}.${column}`
