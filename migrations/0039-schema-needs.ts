import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table schema_needs (
  migration text not null,
  constraint pk_schema_needs primary key (migration)
);
`

const down = `
drop table schema_needs;
`

/**
 * The migrations that a process must know to work with this schema, so that a process of an earlier release can start
 * on a newer schema that it is compatible with. A migration that removes something from the schema adds a row: the
 * migration since which processes no longer use it.
 */
export class SchemaNeeds0039 implements MigrationInterface {
  name = 'SchemaNeeds1760000000039'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
