import type { MigrationInterface } from 'typeorm'

/**
 * A migration and its deferred indexes. All pending migrations run in one transaction, in which creating an index blocks
 * all writers of its table. So an index on a table that may be large is declared here, and created `concurrently` after
 * the transaction, which blocks no writer.
 *
 * Since the code that uses it may run first, such an index is never unique: an invariant belongs in the transaction. To
 * remove one, use `drop index if exists` in a later migration and delete its declaration: a declared index that is
 * missing is created again, except by a process of an earlier release, which creates no index on a newer schema.
 */
export interface Migration extends MigrationInterface {
  /** By index name: the part of the definition after `on`. */
  readonly indexes?: Readonly<Record<string, string>>
}
