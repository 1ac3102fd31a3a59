import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Table → its column of envelopes. */
const columns = {
  shared_secrets: 'sealed',
  signing_keys: 'private_jwk',
  client_secrets: 'sealed',
  sessions: 'state',
}

const entries = Object.entries(columns)

/** Locks the named key until the transaction ends, so that no concurrent rotation can miss the row. */
const up = `
create table key_encryption_keys (
  id text not null,
  first_used_at timestamptz not null,
  retired_at timestamptz,
  constraint pk_key_encryption_keys primary key (id)
);
insert into key_encryption_keys (id, first_used_at)
  select distinct split_part(envelope, '.', 2), now()
  from (${entries.map(([table, column]) => `select ${column} as envelope from ${table}`).join(' union all ')}) e
  where envelope like 'v1.%';
create function assert_key_is_current() returns trigger language plpgsql set search_path from current as $$
declare
  key_id text := split_part(to_jsonb(new) ->> tg_argv[0], '.', 2);
begin
  perform 1 from key_encryption_keys where id = key_id and retired_at is null for share;
  if not found then
    raise exception using
      errcode = 'check_violation',
      constraint = 'ck_' || tg_table_name || '_key_is_current',
      message = format('%s.%s is sealed under key-encryption key %s, which is retired or unknown',
        tg_table_name, tg_argv[0], key_id);
  end if;
  return new;
end $$;
${entries
  .map(
    ([table, column]) => `
create trigger ck_${table}_key_is_current before insert or update of ${column} on ${table} for each row
  when (new.${column} like 'v1.%') execute function assert_key_is_current('${column}');`,
  )
  .join('')}
`

const down = `
${entries.map(([table]) => `drop trigger ck_${table}_key_is_current on ${table};`).join('\n')}
drop function assert_key_is_current();
drop table key_encryption_keys;
`

/** Refuses every row that was sealed under a retired key, by any process. */
export class KeyEncryptionKeys0010 implements MigrationInterface {
  name = 'KeyEncryptionKeys1760000000010'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
