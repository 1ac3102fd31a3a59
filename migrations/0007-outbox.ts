import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table outbox (
  tenant_id text not null,
  id text not null,
  kind text not null,
  destination text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  next_at timestamptz not null,
  leased_until timestamptz,
  attempts integer not null,
  delivered_at timestamptz,
  failed_at timestamptz,
  last_error text,
  constraint pk_outbox primary key (tenant_id, id),
  constraint fk_outbox_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_outbox_pending on outbox (destination, next_at) where delivered_at is null and failed_at is null;
create index ix_outbox_created on outbox (tenant_id, kind, created_at);
`

/** The outbox: messages to deliver, and the outcome of each. */
export class Outbox0007 implements MigrationInterface {
  name = 'Outbox1760000000007'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table outbox')
  }
}
