import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
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

create constraint trigger tr_tenants_changed after insert or update or delete on tenants
  deferrable initially deferred for each row execute function note_change('tenant', 'id');
create constraint trigger tr_registration_policies_changed after insert or update or delete on registration_policies
  deferrable initially deferred for each row execute function note_change('tenant', 'tenant_id');
`

const down = `
drop trigger tr_registration_policies_changed on registration_policies;
drop trigger tr_tenants_changed on tenants;
`

/** Changes of tenants and their policies, which nodes cache as well. */
export class TenantChanges0034 implements MigrationInterface {
  name = 'TenantChanges1760000000034'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
