import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table signal_streams (
  tenant_id text not null,
  id text not null,
  client_id text not null,
  method text not null,
  endpoint_url text,
  sealed text,
  events_requested text[] not null,
  description text,
  status text not null,
  reason text,
  verified_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint pk_signal_streams primary key (tenant_id, id),
  constraint uq_signal_streams_client unique (tenant_id, client_id),
  constraint fk_signal_streams_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade,
  constraint ck_signal_streams_method check (method in ('push', 'poll') and (endpoint_url is null) = (method = 'poll')),
  constraint ck_signal_streams_status check (status in ('enabled', 'paused', 'disabled'))
);
create trigger ck_signal_streams_key_is_current before insert or update of sealed on signal_streams for each row
  when (new.sealed like 'v1.%') execute function assert_key_is_current('sealed');
create table signal_events (
  tenant_id text not null,
  id text not null,
  stream_id text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  constraint pk_signal_events primary key (tenant_id, id),
  constraint fk_signal_events_stream foreign key (tenant_id, stream_id)
    references signal_streams (tenant_id, id) on delete cascade
);
create index ix_signal_events_stream on signal_events (tenant_id, stream_id, created_at);
create index ix_signal_events_created on signal_events (created_at);
`

const down = `
drop table signal_events;
drop table signal_streams;
`

/** Event streams of the Shared Signals Framework, and their queued events. */
export class SharedSignals0026 implements MigrationInterface {
  name = 'SharedSignals1760000000026'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
