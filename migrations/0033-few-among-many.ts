import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create index ix_accounts_operators on accounts (tenant_id, id) where 'operator' = any (roles);
create index ix_clients_disabled on clients (tenant_id, client_id) where disabled_at is not null;
create index ix_action_tokens_id on action_tokens (tenant_id, id);
create index ix_outbox_leased on outbox (destination, leased_until)
  where delivered_at is null and failed_at is null and leased_until is not null;
`

const down = `
drop index ix_outbox_leased;
drop index ix_action_tokens_id;
drop index ix_clients_disabled;
drop index ix_accounts_operators;
`

/**
 * Indexes for finding few rows among many: operators (at each start, and when one is removed), disabled clients (each
 * sweep), a link when it is mailed, and messages in delivery to a destination (each delivery).
 */
export class FewAmongMany0033 implements MigrationInterface {
  name = 'FewAmongMany1760000000033'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
