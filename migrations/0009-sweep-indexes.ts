import type { MigrationInterface, QueryRunner } from 'typeorm'

const indexes = {
  ix_refresh_tokens_consumed: 'refresh_tokens (consumed_at) where consumed_at is not null',
  ix_families_ended: 'families (ended_at) where ended_at is not null',
  ix_families_expires: 'families (expires_at)',
  ix_sessions_ended: 'sessions (ended_at) where ended_at is not null',
  ix_grants_revoked: 'grants (revoked_at) where revoked_at is not null',
  ix_outbox_delivered: 'outbox (delivered_at) where delivered_at is not null',
  ix_outbox_failed: 'outbox (failed_at) where failed_at is not null',
  ix_audit_events_kept: 'audit_events (at)',
  ix_registration_tokens_expires: 'registration_tokens (expires_at) where expires_at is not null',
}

/** Indexes for finding expired rows without reading whole tables. */
export class SweepIndexes0009 implements MigrationInterface {
  name = 'SweepIndexes1760000000009'

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, on] of Object.entries(indexes)) {
      await runner.query(`create index ${name} on ${on}`)
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of Object.keys(indexes)) await runner.query(`drop index ${name}`)
  }
}
