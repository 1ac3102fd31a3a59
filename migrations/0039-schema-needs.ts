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
 * The migrations that a process must know to work with this schema, so that one of an earlier release starts on a newer
 * schema that it can live with. Whoever contracts the schema writes a row here: the migration with which processes
 * stopped using what is taken away.
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
