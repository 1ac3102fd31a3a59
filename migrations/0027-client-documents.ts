import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table client_documents (
  tenant_id text not null,
  client_id text not null,
  document jsonb not null,
  metadata jsonb not null,
  policy text not null,
  fetched_at timestamptz not null,
  fresh_until timestamptz not null,
  constraint pk_client_documents primary key (tenant_id, client_id),
  constraint fk_client_documents_registered foreign key (tenant_id, client_id)
    references registered_clients (tenant_id, client_id) on delete cascade
);
`

const down = `
drop table client_documents;
`

/** Clients whose `client_id` is the URL of their metadata document. */
export class ClientDocuments0027 implements MigrationInterface {
  name = 'ClientDocuments1760000000027'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
