import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table families add column ended_detail jsonb;

alter table accounts add column sign_ins_not_before timestamptz;

alter table refresh_tokens
  add column ip text,
  add column user_agent text,
  add column answer text,
  add column replays integer,
  add column replayed_at timestamptz;
create index ix_refresh_tokens_answer on refresh_tokens (consumed_at) where answer is not null;
create index ix_refresh_tokens_expires on refresh_tokens (expires_at);

create index ix_denials_created on denials (created_at);

create table audit_events (
  tenant_id text not null,
  id text not null,
  at timestamptz not null,
  type text not null,
  account_id text,
  client_id text,
  family_id text,
  ip text,
  user_agent text,
  detail jsonb,
  constraint pk_audit_events primary key (tenant_id, id),
  constraint fk_audit_events_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_audit_events_at on audit_events (tenant_id, at);
create index ix_audit_events_family on audit_events (tenant_id, family_id);
`

const down = `
drop table audit_events;
drop index ix_denials_created;
drop index ix_refresh_tokens_expires;
drop index ix_refresh_tokens_answer;
alter table refresh_tokens
  drop column ip, drop column user_agent, drop column answer, drop column replays, drop column replayed_at;
alter table accounts drop column sign_ins_not_before;
alter table families drop column ended_detail;
`

/** The time line of families, the sealed responses of the replay window, and the audit of refusals. */
export class FamilyTimeLine0002 implements MigrationInterface {
  name = 'FamilyTimeLine1760000000002'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
