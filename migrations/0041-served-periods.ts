import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table served_periods (
  id text not null,
  since timestamptz not null,
  until timestamptz not null,
  constraint pk_served_periods primary key (id)
);
`

const down = `
drop table served_periods;
`

/** The periods in which each process could answer: a replay window counts only these (ADR 0008). */
export class ServedPeriods0041 implements MigrationInterface {
  name = 'ServedPeriods1760000000041'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
