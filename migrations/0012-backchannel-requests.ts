import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table backchannel_requests (
  tenant_id text not null,
  id text not null,
  account_id text not null,
  client_id text not null,
  account_slot integer not null,
  client_slot integer not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  decided_at timestamptz,
  decision text,
  constraint pk_backchannel_requests primary key (tenant_id, id),
  constraint fk_backchannel_requests_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade,
  constraint fk_backchannel_requests_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);
create unique index uq_backchannel_requests_of_account
  on backchannel_requests (tenant_id, account_id, account_slot) where decided_at is null;
create unique index uq_backchannel_requests_of_client
  on backchannel_requests (tenant_id, account_id, client_id, client_slot) where decided_at is null;
create index ix_backchannel_requests_client on backchannel_requests (tenant_id, client_id);
create index ix_backchannel_requests_expires on backchannel_requests (expires_at);
`

/** Pending backchannel authentication requests, and which decision came first. */
export class BackchannelRequests0012 implements MigrationInterface {
  name = 'BackchannelRequests1760000000012'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table backchannel_requests')
  }
}
