import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table passkey_owners (
  tenant_id text not null,
  account_id text not null,
  handle text not null,
  constraint pk_passkey_owners primary key (tenant_id, account_id),
  constraint uq_passkey_owners_handle unique (tenant_id, handle),
  constraint fk_passkey_owners_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create table passkeys (
  tenant_id text not null,
  id text not null,
  account_id text not null,
  credential_id text not null,
  public_key text not null,
  counter bigint not null,
  transports text[] not null,
  backup_eligible boolean not null,
  backed_up boolean not null,
  name text not null,
  created_at timestamptz not null,
  last_used_at timestamptz,
  constraint pk_passkeys primary key (tenant_id, id),
  constraint uq_passkeys_credential unique (tenant_id, credential_id),
  constraint fk_passkeys_owner foreign key (tenant_id, account_id) references passkey_owners (tenant_id, account_id) on delete cascade
);
create index ix_passkeys_account on passkeys (tenant_id, account_id);
`

/** Passkeys (W3C Web Authentication), and the handles under which devices know accounts. */
export class Passkeys0017 implements MigrationInterface {
  name = 'Passkeys1760000000017'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table passkeys; drop table passkey_owners')
  }
}
