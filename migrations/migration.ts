import type { MigrationInterface } from 'typeorm'

/**
 * A migration, and what it leaves for afterwards. All pending ones are one transaction, in which an index keeps every
 * writer of its table waiting until it is made. So an index on a table that may be large is declared, and made when the
 * transaction is over, `concurrently`: nobody waits for it.
 *
 * It may come later than what uses it, so it is never unique: an invariant belongs into the transaction.
 */
export interface Migration extends MigrationInterface {
  /** What each is on, behind `on`: by its name. */
  readonly indexes?: Readonly<Record<string, string>>
}
