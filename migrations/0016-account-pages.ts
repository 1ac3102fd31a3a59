import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table sessions add column user_agent text, add column ip text, add column last_ip text;
alter table accounts add column deleted_at timestamptz;
create index ix_audit_events_account on audit_events (tenant_id, account_id, at, id) where account_id is not null;
`

const down = `
drop index ix_audit_events_account;
alter table accounts drop column deleted_at;
alter table sessions drop column user_agent, drop column ip, drop column last_ip;
`

/** For the account pages: sessions, history and deletion. */
export class AccountPages0016 implements MigrationInterface {
  name = 'AccountPages1760000000016'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
