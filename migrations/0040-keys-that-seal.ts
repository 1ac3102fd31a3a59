import type { QueryRunner } from 'typeorm'
import type { Migration } from './migration.ts'

/** Table → its column of envelopes. */
const columns = {
  shared_secrets: 'sealed',
  signing_keys: 'private_jwk',
  client_secrets: 'sealed',
  sessions: 'state',
  second_factors: 'sealed',
  webhooks: 'sealed',
  signal_streams: 'sealed',
}

/** Finds which keys have sealed something, with a row of each: a query of every start, however many rows there are. */
export class KeysThatSeal0040 implements Migration {
  name = 'KeysThatSeal1760000000040'
  indexes = Object.fromEntries(
    Object.entries(columns).map(([table, column]) => [
      `ix_${table}_key`,
      `${table} (split_part(${column}, '.', 2)) where ${column} like 'v1.%'`,
    ]),
  )

  async up(): Promise<void> {
    // The indexes are created after the transaction.
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of Object.keys(this.indexes)) await runner.query(`drop index if exists ${name}`)
  }
}
