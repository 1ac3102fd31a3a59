import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table tenants
  add column sign_up text not null default 'closed',
  add column sign_up_domains text[] not null default '{}',
  add constraint ck_tenants_sign_up check (sign_up in ('closed', 'open', 'invitation'));
create table enrolments (
  tenant_id text not null,
  kind text not null,
  email_key text not null,
  id text not null,
  hash text not null,
  email text not null,
  domain text not null,
  name text,
  browser text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint pk_enrolments primary key (tenant_id, kind, email_key),
  constraint uq_enrolments_hash unique (tenant_id, hash),
  constraint ck_enrolments_kind check (kind in ('sign_up', 'invitation')),
  constraint fk_enrolments_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_enrolments_expires on enrolments (expires_at);
`

const down = `
drop table enrolments;
alter table tenants drop column sign_up, drop column sign_up_domains;
`

/** The sign-up mode of tenants, and addresses to be proven; only the latest link of each. */
export class Enrolments0018 implements MigrationInterface {
  name = 'Enrolments1760000000018'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
