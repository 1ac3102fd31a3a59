import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table registration_policies (
  tenant_id text not null,
  policy jsonb not null,
  updated_at timestamptz not null,
  constraint pk_registration_policies primary key (tenant_id),
  constraint fk_registration_policies_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create table registered_clients (
  tenant_id text not null,
  client_id text not null,
  network text,
  registered_at timestamptz not null,
  used_at timestamptz,
  expires_at timestamptz not null,
  constraint pk_registered_clients primary key (tenant_id, client_id),
  constraint fk_registered_clients_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade
);
create index ix_registered_clients_unused on registered_clients (tenant_id, network) where used_at is null;
create index ix_registered_clients_expires on registered_clients (expires_at);
create index ix_registration_tokens_client on registration_tokens (tenant_id, client_id)
  where client_id is not null;
`

const down = `
drop index ix_registration_tokens_client;
drop table registered_clients;
drop table registration_policies;
`

/** Self-registered clients, and the policy of tenants for them (RFC 7591). */
export class ClientRegistration0024 implements MigrationInterface {
  name = 'ClientRegistration1760000000024'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
