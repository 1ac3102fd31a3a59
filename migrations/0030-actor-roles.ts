import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = 'alter table audit_events add column actor_role text;'

const down = 'alter table audit_events drop column actor_role;'

/** Events say by which role an operator acted. */
export class ActorRoles0030 implements MigrationInterface {
  name = 'ActorRoles1760000000030'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down)
  }
}
