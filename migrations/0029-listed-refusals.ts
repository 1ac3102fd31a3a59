import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create index ix_refusals_tenant on refusals (tenant_id, at, id);
create index ix_refusals_client on refusals (client_id, at, id) where client_id is not null;
create index ix_refusals_account on refusals (account_id, at, id) where account_id is not null;
create index ix_refusals_failed_check on refusals (failed_check, at, id);
create index ix_refusals_error on refusals (error, at, id);
`

const down = `
drop index ix_refusals_error;
drop index ix_refusals_failed_check;
drop index ix_refusals_account;
drop index ix_refusals_client;
drop index ix_refusals_tenant;
`

/** Indexes for listing refusals by tenant, client, account, check and error. */
export class ListedRefusals0029 implements MigrationInterface {
  name = 'ListedRefusals1760000000029'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
