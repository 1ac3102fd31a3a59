import type { MigrationInterface, QueryRunner } from 'typeorm'

// Absent is "any": what was denied before, or by a process that does not know the column.
const up = 'alter table denials add column audiences text[]'
const down = 'alter table denials drop column audiences'

/** Which resource servers a denial concerns, where that is known. */
export class DenialAudiences0025 implements MigrationInterface {
  name = 'DenialAudiences1760000000025'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
