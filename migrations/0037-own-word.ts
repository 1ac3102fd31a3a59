import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table registered_clients add column metadata jsonb;
`

const down = `
alter table registered_clients drop column metadata;
`

/**
 * The metadata that a client itself registered, to distinguish it from what an operator set. For existing clients it is
 * written with their next change: updating all of them would block writers.
 */
export class OwnWord0037 implements MigrationInterface {
  name = 'OwnWord1760000000037'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
