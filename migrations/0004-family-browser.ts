import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
alter table families
  add column ip text,
  add column user_agent text;
`

const down = `
alter table families drop column ip, drop column user_agent;
`

/** The browser in which a user allowed a family; its refresh tokens go to the client's server. */
export class FamilyBrowser0004 implements MigrationInterface {
  name = 'FamilyBrowser1760000000004'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
