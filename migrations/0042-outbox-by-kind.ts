import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/**
 * Pending messages by kind: a query for one kind reads no messages of others, however many a destination has. Until it
 * is created, and for earlier releases, there is `ix_outbox_pending`.
 */
export class OutboxByKind0042 implements Migration {
  name = 'OutboxByKind1760000000042'
  indexes = {
    ix_outbox_due:
      'outbox (kind, destination, next_at) where delivered_at is null and failed_at is null',
  }

  async up(): Promise<void> {
    // The index is created after the transaction.
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index if exists ix_outbox_due')
  }
}
