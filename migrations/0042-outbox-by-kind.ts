import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/**
 * What waits, by its kind: who looks for one goes through no message of another, however many wait at one destination.
 */
export class OutboxByKind0042 implements Migration {
  name = 'OutboxByKind1760000000042'
  indexes = {
    ix_outbox_due:
      'outbox (kind, destination, next_at) where delivered_at is null and failed_at is null',
  }

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index if exists ix_outbox_pending')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop index if exists ix_outbox_due;
      create index ix_outbox_pending on outbox (destination, next_at) where delivered_at is null and failed_at is null`)
  }
}
