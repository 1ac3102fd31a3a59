import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table signing_keys
  add column revoked_at timestamptz,
  add column changed_at timestamptz not null default to_timestamp(0),
  alter column private_jwk drop not null;
alter table signing_keys alter column changed_at drop default;
alter table signing_keys add constraint ck_signing_keys_order check (
  publish_at <= activate_at
  and (retire_at is null) = (remove_at is null)
  and (remove_at is null or retire_at <= remove_at)
  and (retire_at is null or revoked_at is not null or activate_at <= retire_at)
  and (revoked_at is null or remove_at is not null));
create unique index uq_signing_keys_last on signing_keys (tenant_id, alg) where retire_at is null;
create index ix_signing_keys_changed on signing_keys (changed_at);
`

const down = `
drop index ix_signing_keys_changed;
drop index uq_signing_keys_last;
alter table signing_keys drop constraint ck_signing_keys_order;
delete from signing_keys where private_jwk is null;
alter table signing_keys
  alter column private_jwk set not null,
  drop column changed_at,
  drop column revoked_at;
`

/** Rotation: at most one key per algorithm has no end yet, so that a key has one successor, whichever node makes it. */
export class SigningKeyLife0008 implements MigrationInterface {
  name = 'SigningKeyLife1760000000008'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
