import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table changes (
  tenant_id text not null,
  kind text not null,
  subject text not null,
  changed_at timestamptz not null,
  constraint pk_changes primary key (tenant_id, kind, subject, changed_at)
);
create index ix_changes_changed on changes (changed_at);

create function note_change() returns trigger language plpgsql as $$
declare
  changed jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  insert into changes (tenant_id, kind, subject, changed_at)
  values (changed->>'tenant_id', tg_argv[0], changed->>tg_argv[1], clock_timestamp())
  on conflict do nothing;
  perform pg_notify('keyturn_changes', '');
  return null;
end $$;

create constraint trigger tr_clients_changed after insert or update or delete on clients
  deferrable initially deferred for each row execute function note_change('client', 'client_id');
create constraint trigger tr_client_secrets_changed after insert or update or delete on client_secrets
  deferrable initially deferred for each row execute function note_change('client', 'client_id');
create constraint trigger tr_registered_clients_changed after insert or delete on registered_clients
  deferrable initially deferred for each row execute function note_change('client', 'client_id');
create constraint trigger tr_resource_servers_changed after insert or update or delete on resource_servers
  deferrable initially deferred for each row execute function note_change('resource_server', 'identifier');
`

const down = `
drop function note_change cascade;
drop table changes;
`

/** Changes of clients and resource servers, written at commit, so that nodes can drop cached rows. */
export class Changes0031 implements MigrationInterface {
  name = 'Changes1760000000031'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
