import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table registered_clients add column metadata jsonb;
update registered_clients r set metadata = c.metadata
from clients c where c.tenant_id = r.tenant_id and c.client_id = r.client_id;
`

const down = `
alter table registered_clients drop column metadata;
`

/** What a client that registered said of itself, so that what an operator said of it is known from it. */
export class OwnWord0037 implements MigrationInterface {
  name = 'OwnWord1760000000037'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
