import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table tenants add column require_mfa boolean;
alter table passwords add column short boolean;
alter table tenants add column email_codes boolean;
alter table accounts add column email_codes_since timestamptz;
create table email_codes (
  tenant_id text not null,
  account_id text not null,
  binding text not null,
  id text not null,
  email text not null,
  sent integer not null,
  tries integer not null,
  sent_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint pk_email_codes primary key (tenant_id, account_id, binding),
  constraint uq_email_codes_id unique (tenant_id, id),
  constraint fk_email_codes_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index ix_email_codes_expires on email_codes (expires_at);
`

const down = `
drop table email_codes;
alter table accounts drop column email_codes_since;
alter table tenants drop column email_codes;
alter table passwords drop column short;
alter table tenants drop column require_mfa;
`

/** Policies of tenants for second factors, passwords that are long enough only with one, and codes by e-mail. */
export class FactorPolicy0019 implements MigrationInterface {
  name = 'FactorPolicy1760000000019'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
