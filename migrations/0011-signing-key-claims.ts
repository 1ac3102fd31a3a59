import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Which process makes a missing or due key, and until when no other does. */
export class SigningKeyClaims0011 implements MigrationInterface {
  name = 'SigningKeyClaims1760000000011'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table signing_key_claims (
        tenant_id text not null,
        alg text not null,
        holder text not null,
        until timestamptz not null,
        constraint pk_signing_key_claims primary key (tenant_id, alg),
        constraint fk_signing_key_claims_tenant foreign key (tenant_id) references tenants (id) on delete cascade
      )`)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table signing_key_claims')
  }
}
