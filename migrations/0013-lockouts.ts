import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table lockouts (
  tenant_id text not null,
  subject text not null,
  source text not null,
  account_id text,
  failures integer not null,
  refused integer not null,
  looked boolean not null,
  locked_until timestamptz,
  last_at timestamptz not null,
  constraint pk_lockouts primary key (tenant_id, subject, source),
  constraint fk_lockouts_tenant foreign key (tenant_id) references tenants (id) on delete cascade,
  constraint fk_lockouts_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index ix_lockouts_account on lockouts (tenant_id, account_id);
create index ix_lockouts_strangers on lockouts (last_at) where account_id is null;
`

/** Wrong guesses in a row, by account. */
export class Lockouts0013 implements MigrationInterface {
  name = 'Lockouts1760000000013'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table lockouts')
  }
}
