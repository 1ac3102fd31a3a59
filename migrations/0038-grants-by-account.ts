import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/** Grants of an account that were ended, too: whose clients hear of what becomes of it, and what its deletion takes. */
export class GrantsByAccount0038 implements Migration {
  name = 'GrantsByAccount1760000000038'
  indexes = { ix_grants_account: 'grants (tenant_id, account_id)' }

  async up(): Promise<void> {
    // The index is made afterwards.
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index if exists ix_grants_account')
  }
}
