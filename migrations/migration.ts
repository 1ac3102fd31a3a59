import type { MigrationInterface } from 'typeorm'

/**
 * A migration, and what it leaves for afterwards. All pending ones are one transaction, in which an index keeps every
 * writer of its table waiting until it is made. So an index on a table that may be large is declared, and made when the
 * transaction is over, `concurrently`: nobody waits for it.
 *
 * It may come later than what uses it, so it is never unique: an invariant belongs into the transaction. One that nobody
 * needs any more goes by `drop index if exists` in a later migration, and its declaration goes with it: what is declared
 * and missing is made again, but for a process of an earlier release, which makes no index on a newer schema.
 */
export interface Migration extends MigrationInterface {
  /** What each is on, behind `on`: by its name. */
  readonly indexes?: Readonly<Record<string, string>>
}
