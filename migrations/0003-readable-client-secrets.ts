import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Sealed secrets for clients whose authentication method needs them in clear. */
export class ReadableClientSecrets0003 implements MigrationInterface {
  name = 'ReadableClientSecrets1760000000003'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table client_secrets add column sealed text')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table client_secrets drop column sealed')
  }
}
