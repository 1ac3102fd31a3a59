import type { MigrationInterface, QueryRunner } from 'typeorm'

// Null means any: denials from before, or by a process that does not know the column.
const up = 'alter table denials add column audiences text[]'
const down = 'alter table denials drop column audiences'

/** The resource servers that a denial concerns, if known. */
export class DenialAudiences0025 implements MigrationInterface {
  name = 'DenialAudiences1760000000025'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
