import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table registered_clients add column metadata jsonb;
`

const down = `
alter table registered_clients drop column metadata;
`

/**
 * What a client that registered said of itself, so that what an operator said of it is known from it. Of those that are
 * there it is written with the first change: an update of all of them would keep writers waiting.
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
