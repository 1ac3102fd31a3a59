import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create index ix_grants_created on grants (tenant_id, created_at, id);
create index ix_families_created on families (tenant_id, created_at, id);
`

const down = `
drop index ix_families_created;
drop index ix_grants_created;
`

/** Indexes for lists of grants and families, newest first, a page at a time. */
export class NewestFirst0032 implements MigrationInterface {
  name = 'NewestFirst1760000000032'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
