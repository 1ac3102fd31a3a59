import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table role_assignments (
  tenant_id text not null,
  id text not null,
  account_id text,
  client_id text,
  role text not null,
  reach text not null,
  created_at timestamptz not null,
  constraint pk_role_assignments primary key (tenant_id, id),
  constraint uq_role_assignments_account unique (tenant_id, account_id, role, reach),
  constraint uq_role_assignments_client unique (tenant_id, client_id, role, reach),
  constraint fk_role_assignments_tenant foreign key (tenant_id) references tenants (id) on delete cascade,
  constraint fk_role_assignments_account foreign key (tenant_id, account_id)
    references accounts (tenant_id, id) on delete cascade,
  constraint fk_role_assignments_client foreign key (tenant_id, client_id)
    references clients (tenant_id, client_id) on delete cascade,
  constraint ck_role_assignments_subject check ((account_id is null) <> (client_id is null))
);
create table idempotency_keys (
  tenant_id text not null,
  id text not null,
  request text not null,
  answer text not null,
  expires_at timestamptz not null,
  constraint pk_idempotency_keys primary key (tenant_id, id),
  constraint fk_idempotency_keys_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_idempotency_keys_expires on idempotency_keys (expires_at);
`

const down = `
drop table idempotency_keys;
drop table role_assignments;
`

/** Roles of the admin API, and the stored responses of its idempotent requests. */
export class Admin0021 implements MigrationInterface {
  name = 'Admin1760000000021'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
