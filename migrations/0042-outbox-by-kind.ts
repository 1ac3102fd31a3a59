import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/**
 * What waits, by its kind: who looks for one goes through no message of another, however many wait at one destination.
 * Until it is made, and for processes of before, there is `ix_outbox_pending`.
 */
export class OutboxByKind0042 implements Migration {
  name = 'OutboxByKind1760000000042'
  indexes = {
    ix_outbox_due:
      'outbox (kind, destination, next_at) where delivered_at is null and failed_at is null',
  }

  async up(): Promise<void> {
    // The index is made afterwards.
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index if exists ix_outbox_due')
  }
}
