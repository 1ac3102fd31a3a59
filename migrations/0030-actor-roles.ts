import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = 'alter table audit_events add column actor_role text;'

const down = 'alter table audit_events drop column actor_role;'

/** The role by which an operator acted, in events. */
export class ActorRoles0030 implements MigrationInterface {
  name = 'ActorRoles1760000000030'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
