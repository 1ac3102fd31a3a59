import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table account_places (
  tenant_id text not null,
  account_id text not null,
  kind text not null,
  place text not null,
  visits integer not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint pk_account_places primary key (tenant_id, account_id, kind, place),
  constraint fk_account_places_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index ix_account_places_kept on account_places (last_at);
`

/** The networks and countries from which accounts have signed in. */
export class AccountPlaces0020 implements MigrationInterface {
  name = 'AccountPlaces1760000000020'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table account_places')
  }
}
