import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table refusals (
  tenant_id text not null,
  id text not null,
  at timestamptz not null,
  endpoint text not null,
  failed_check text not null,
  error text not null,
  client_id text,
  account_id text,
  ip text,
  reason text,
  expected text,
  received text,
  constraint pk_refusals primary key (tenant_id, id),
  constraint fk_refusals_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_refusals_id on refusals (id);
create index ix_refusals_kept on refusals (at);
`

const down = 'drop table refusals;'

/** Refused requests, kept for a week so that they can be explained. */
export class Refusals0023 implements MigrationInterface {
  name = 'Refusals1760000000023'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
