import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

const up = `
alter table changes add column changed_in bigint not null default 0;
alter table changes alter column changed_in drop default;

create or replace function note_change() returns trigger language plpgsql as $$
declare
  changed jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  insert into changes (tenant_id, kind, subject, changed_at, changed_in)
  values (coalesce(changed->>'tenant_id', changed->>'id'), tg_argv[0], changed->>tg_argv[1], clock_timestamp(),
    pg_current_xact_id()::text::bigint)
  on conflict do nothing;
  perform pg_notify('keyturn_changes', '');
  return null;
end $$;
`

const down = `
create or replace function note_change() returns trigger language plpgsql as $$
declare
  changed jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  insert into changes (tenant_id, kind, subject, changed_at)
  values (coalesce(changed->>'tenant_id', changed->>'id'), tg_argv[0], changed->>tg_argv[1], clock_timestamp())
  on conflict do nothing;
  perform pg_notify('keyturn_changes', '');
  return null;
end $$;

alter table changes drop column changed_in;
`

/** The transaction of each change, so that a reader can find those that were not visible at its last read. */
export class ChangesByTransaction0036 implements Migration {
  name = 'ChangesByTransaction1760000000036'
  indexes = { ix_changes_changed_in: 'changes (changed_in)' }

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
