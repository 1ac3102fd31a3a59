import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table tenants add column require_mfa boolean;
alter table passwords add column short boolean;
`

const down = `
alter table passwords drop column short;
alter table tenants drop column require_mfa;
`

/** What a tenant asks of everybody who signs in there, and which passwords are enough beside a second factor alone. */
export class FactorPolicy0019 implements MigrationInterface {
  name = 'FactorPolicy1760000000019'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
