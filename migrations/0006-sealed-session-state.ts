import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Few sessions have sealed state: a start checks it, and a rotation of the key seals it again. */
export class SealedSessionState0006 implements MigrationInterface {
  name = 'SealedSessionState1760000000006'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index ix_sessions_state on sessions (tenant_id, uid) where state is not null',
    )
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index ix_sessions_state')
  }
}
