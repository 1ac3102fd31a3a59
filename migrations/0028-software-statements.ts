import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table registered_clients add column software_statement text;
`

const down = `
alter table registered_clients drop column software_statement;
`

/** The software statement of a client that registered (RFC 7591 §2.3), as it was presented. */
export class SoftwareStatements0028 implements MigrationInterface {
  name = 'SoftwareStatements1760000000028'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
