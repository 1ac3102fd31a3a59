import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/**
 * For the grants of an account, ended ones included: their clients are notified about the account, and its deletion
 * removes them.
 */
export class GrantsByAccount0038 implements Migration {
  name = 'GrantsByAccount1760000000038'
  indexes = { ix_grants_account: 'grants (tenant_id, account_id)' }

  async up(): Promise<void> {
    // The index is created after the transaction.
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index if exists ix_grants_account')
  }
}
