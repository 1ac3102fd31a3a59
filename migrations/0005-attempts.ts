import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table attempts (
  tenant_id text not null,
  kind text not null,
  subject text not null,
  used integer not null,
  ends_at timestamptz not null,
  constraint pk_attempts primary key (tenant_id, kind, subject),
  constraint fk_attempts_tenant foreign key (tenant_id) references tenants (id) on delete cascade
);
create index ix_attempts_ends on attempts (ends_at);
`

/** Counts of guesses. */
export class Attempts0005 implements MigrationInterface {
  name = 'Attempts1760000000005'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table attempts')
  }
}
