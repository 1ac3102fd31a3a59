import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table tenants (
  id text constraint pk_tenants primary key,
  name text not null,
  created_at timestamptz not null,
  disabled_at timestamptz
);

create table shared_secrets (
  tenant_id text not null,
  name text not null,
  sealed text not null,
  created_at timestamptz not null,
  constraint pk_shared_secrets primary key (tenant_id, name),
  constraint fk_shared_secrets_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create table signing_keys (
  tenant_id text not null,
  kid text not null,
  alg text not null,
  public_jwk jsonb not null,
  private_jwk text not null,
  created_at timestamptz not null,
  publish_at timestamptz not null,
  activate_at timestamptz not null,
  retire_at timestamptz,
  remove_at timestamptz,
  constraint pk_signing_keys primary key (tenant_id, kid),
  constraint fk_signing_keys_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create table resource_servers (
  tenant_id text not null,
  identifier text not null,
  name text,
  scopes text[] not null,
  access_token_format text not null,
  access_token_signing_alg text not null,
  introspection_clients text[] not null,
  is_default boolean not null,
  open boolean not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint pk_resource_servers primary key (tenant_id, identifier),
  constraint fk_resource_servers_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create unique index uq_resource_servers_default on resource_servers (tenant_id) where is_default;

create table clients (
  tenant_id text not null,
  client_id text not null,
  metadata jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  disabled_at timestamptz,
  constraint pk_clients primary key (tenant_id, client_id),
  constraint fk_clients_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create table client_secrets (
  tenant_id text not null,
  client_id text not null,
  hash text not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  constraint pk_client_secrets primary key (tenant_id, client_id, hash),
  constraint fk_client_secrets_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);

create table accounts (
  tenant_id text not null,
  id text not null,
  email text not null,
  email_key text not null,
  email_verified boolean not null,
  username text,
  username_key text,
  name text,
  roles text[] not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  disabled_at timestamptz,
  constraint pk_accounts primary key (tenant_id, id),
  constraint uq_accounts_email unique (tenant_id, email_key),
  constraint uq_accounts_username unique (tenant_id, username_key),
  constraint fk_accounts_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);

create table passwords (
  tenant_id text not null,
  account_id text not null,
  hash text not null,
  one_time boolean not null,
  expires_at timestamptz,
  changed_at timestamptz not null,
  constraint pk_passwords primary key (tenant_id, account_id),
  constraint fk_passwords_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade
);

create table sessions (
  tenant_id text not null,
  uid text not null,
  handle_hash text not null,
  account_id text,
  login_at timestamptz,
  acr text,
  amr text[],
  transient boolean not null,
  state text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_reason text,
  constraint pk_sessions primary key (tenant_id, uid),
  constraint uq_sessions_handle unique (tenant_id, handle_hash),
  constraint fk_sessions_tenant foreign key (tenant_id) references tenants (id) on delete cascade,
  constraint fk_sessions_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade
);
create index ix_sessions_account on sessions (tenant_id, account_id);
create index ix_sessions_expires on sessions (expires_at);

create table grants (
  tenant_id text not null,
  id text not null,
  account_id text not null,
  client_id text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  revoked_at timestamptz,
  revoked_reason text,
  constraint pk_grants primary key (tenant_id, id),
  constraint fk_grants_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade,
  constraint fk_grants_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);
create unique index uq_grants_live on grants (tenant_id, account_id, client_id) where revoked_at is null;
create index ix_grants_client on grants (tenant_id, client_id);

create table session_clients (
  tenant_id text not null,
  session_uid text not null,
  client_id text not null,
  sid text not null,
  grant_id text,
  persists_logout boolean not null,
  created_at timestamptz not null,
  constraint pk_session_clients primary key (tenant_id, session_uid, client_id),
  constraint fk_session_clients_session foreign key (tenant_id, session_uid)
    references sessions (tenant_id, uid) on delete cascade,
  constraint fk_session_clients_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade,
  constraint fk_session_clients_grant foreign key (tenant_id, grant_id)
    references grants (tenant_id, id) on delete cascade
);
create index ix_session_clients_client on session_clients (tenant_id, client_id);
create index ix_session_clients_grant on session_clients (tenant_id, grant_id);

create table families (
  tenant_id text not null,
  id text not null,
  grant_id text not null,
  account_id text not null,
  client_id text not null,
  session_uid text,
  ends_with_session boolean not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_reason text,
  constraint pk_families primary key (tenant_id, id),
  constraint fk_families_grant foreign key (tenant_id, grant_id)
    references grants (tenant_id, id) on delete cascade,
  constraint fk_families_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade,
  constraint fk_families_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);
create index ix_families_grant on families (tenant_id, grant_id);
create index ix_families_account on families (tenant_id, account_id);
create index ix_families_client on families (tenant_id, client_id);
create index ix_families_session on families (tenant_id, session_uid);

create table refresh_tokens (
  tenant_id text not null,
  token_hash text not null,
  family_id text not null,
  parent_hash text,
  payload jsonb not null,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  consumed_at timestamptz,
  constraint pk_refresh_tokens primary key (tenant_id, token_hash),
  constraint uq_refresh_tokens_parent unique (tenant_id, parent_hash),
  constraint fk_refresh_tokens_family foreign key (tenant_id, family_id)
    references families (tenant_id, id) on delete cascade
);
create index ix_refresh_tokens_family on refresh_tokens (tenant_id, family_id);
create unique index uq_refresh_tokens_live on refresh_tokens (tenant_id, family_id) where consumed_at is null;

create table single_use (
  tenant_id text not null,
  kind text not null,
  key text not null,
  spent_at timestamptz not null,
  expires_at timestamptz not null,
  constraint pk_single_use primary key (tenant_id, kind, key),
  constraint fk_single_use_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_single_use_expires on single_use (expires_at);

create table denials (
  tenant_id text not null,
  kind text not null,
  subject text not null,
  not_before timestamptz not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint pk_denials primary key (tenant_id, kind, subject),
  constraint fk_denials_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_denials_expires on denials (expires_at);

create table registration_tokens (
  tenant_id text not null,
  kind text not null,
  token_hash text not null,
  client_id text,
  payload jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  constraint pk_registration_tokens primary key (tenant_id, kind, token_hash),
  constraint fk_registration_tokens_tenant foreign key (tenant_id) references tenants (id) on delete cascade,
  constraint fk_registration_tokens_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);

create table short_lived (
  tenant_id text not null,
  model text not null,
  key text not null,
  value jsonb not null,
  expires_at timestamptz not null,
  constraint pk_short_lived primary key (tenant_id, model, key)
);
create index ix_short_lived_expires on short_lived (expires_at);
`

const tables = [
  'short_lived',
  'registration_tokens',
  'denials',
  'single_use',
  'refresh_tokens',
  'families',
  'session_clients',
  'grants',
  'sessions',
  'passwords',
  'accounts',
  'client_secrets',
  'clients',
  'resource_servers',
  'signing_keys',
  'shared_secrets',
  'tenants',
]

/** All tables of the first release, and the default tenant (architecture §4). */
export class Initial0001 implements MigrationInterface {
  // TypeORM orders migrations by the thirteen digits at the end.
  name = 'Initial1760000000001'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
    await runner.query(
      `insert into tenants (id, name, created_at) values ('default', 'Default', to_timestamp(0))`,
    )
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables) await runner.query(`drop table ${table}`)
  }
}
