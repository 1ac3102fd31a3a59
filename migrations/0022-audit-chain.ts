import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table audit_events
  add column outcome text,
  add column actor_kind text,
  add column actor_id text,
  add column request_id text,
  add column open_until timestamptz,
  add column position bigint,
  add column seal text;

drop index ix_audit_events_at;
drop index ix_audit_events_kept;
create index ix_audit_events_at on audit_events (tenant_id, at, id);
create index ix_audit_events_type on audit_events (tenant_id, type, at, id);
create index ix_audit_events_client on audit_events (tenant_id, client_id, at, id) where client_id is not null;
create index ix_audit_events_request on audit_events (tenant_id, request_id) where request_id is not null;
create index ix_audit_events_unsealed on audit_events (tenant_id, at, id) where position is null;
create unique index uq_audit_events_position on audit_events (tenant_id, position) where position is not null;

create table audit_heads (
  tenant_id text not null,
  position bigint not null,
  seal text not null,
  sealed_at timestamptz not null,
  mac text not null,
  constraint pk_audit_heads primary key (tenant_id),
  constraint fk_audit_heads_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create table audit_gaps (
  tenant_id text not null,
  first bigint not null,
  last bigint not null,
  before text not null,
  seal text not null,
  removed_at timestamptz not null,
  mac text not null,
  constraint pk_audit_gaps primary key (tenant_id, first),
  constraint uq_audit_gaps_last unique (tenant_id, last),
  constraint fk_audit_gaps_tenant foreign key (tenant_id) references tenants (id) on delete cascade,
  constraint ck_audit_gaps_order check (first <= last)
);

create table webhooks (
  tenant_id text not null,
  url text not null,
  events text[] not null,
  sealed text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint pk_webhooks primary key (tenant_id, url),
  constraint fk_webhooks_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create trigger ck_webhooks_key_is_current before insert or update of sealed on webhooks for each row
  when (new.sealed like 'v1.%') execute function assert_key_is_current('sealed');

create function audit_events_append_only() returns trigger language plpgsql as $$
declare
  unchanged audit_events;
begin
  if tg_op = 'DELETE' and old.position is not null and current_setting('keyturn.audit_retention', true) = 'on' then
    return old;
  end if;
  if tg_op = 'UPDATE' and old.position is null then
    unchanged := new;
    if new.position is not null and new.seal is not null then
      unchanged.position := null;
      unchanged.seal := null;
    elsif old.open_until is not null then
      unchanged.at := old.at;
      unchanged.ip := old.ip;
      unchanged.user_agent := old.user_agent;
      unchanged.request_id := old.request_id;
      unchanged.detail := old.detail;
    end if;
    if unchanged is not distinct from old and new is distinct from old then
      return new;
    end if;
  end if;
  raise exception 'audit_events is append-only: % refused', lower(tg_op) using errcode = 'integrity_constraint_violation';
end $$;

create trigger tr_audit_events_append_only before update or delete on audit_events
  for each row execute function audit_events_append_only();
create trigger tr_audit_events_no_truncate before truncate on audit_events
  for each statement execute function audit_events_append_only();
`

const down = `
drop trigger tr_audit_events_no_truncate on audit_events;
drop trigger tr_audit_events_append_only on audit_events;
drop function audit_events_append_only;
drop table webhooks;
drop table audit_gaps;
drop table audit_heads;
drop index uq_audit_events_position;
drop index ix_audit_events_unsealed;
drop index ix_audit_events_request;
drop index ix_audit_events_client;
drop index ix_audit_events_type;
drop index ix_audit_events_at;
create index ix_audit_events_at on audit_events (tenant_id, at);
create index ix_audit_events_kept on audit_events (at);
alter table audit_events
  drop column outcome,
  drop column actor_kind,
  drop column actor_id,
  drop column request_id,
  drop column open_until,
  drop column position,
  drop column seal;
`

/** Append-only audit events with actor, origin and outcome; a chain over them for each tenant; and webhooks. */
export class AuditChain0022 implements MigrationInterface {
  name = 'AuditChain1760000000022'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
