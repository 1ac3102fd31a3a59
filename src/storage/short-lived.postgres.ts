import type { Clock } from '../clock.ts'
import type { Database } from './database.ts'
import type { ShortLived } from './short-lived.ts'
import { sweepTable } from './sweep.ts'
import { column, table } from './table.ts'

export const ShortLivedTable = table('short_lived', {
  key: ['tenant_id', 'model', 'key'],
  columns: {
    tenant_id: column.text,
    model: column.text,
    key: column.text,
    value: column.json,
    expires_at: column.time,
  },
  index: { expires: ['expires_at'] },
})

/** Short-lived artifacts in a table, for installations without Redis. */
export function shortLivedInPostgres(database: Database, clock: Clock): ShortLived {
  return {
    async get({ tenant, model, id }) {
      const [row] = await database.query<{ value: unknown }>(
        `select value from short_lived
         where tenant_id = $1 and model = $2 and key = $3 and expires_at > $4`,
        [tenant, model, id, new Date(clock.now())],
      )
      return row?.value
    },
    async put({ tenant, model, id }, value, ttl) {
      await database.execute(
        `insert into short_lived (tenant_id, model, key, value, expires_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, model, key)
         do update set value = excluded.value, expires_at = excluded.expires_at`,
        [tenant, model, id, JSON.stringify(value), new Date(clock.now() + ttl * 1000)],
      )
    },
    async replace({ tenant, model, id }, value, ttl) {
      const now = clock.now()
      const changed = await database.execute(
        `update short_lived set value = $4, expires_at = $5
         where tenant_id = $1 and model = $2 and key = $3 and expires_at > $6`,
        [tenant, model, id, JSON.stringify(value), new Date(now + ttl * 1000), new Date(now)],
      )
      return changed === 1
    },
    async take({ tenant, model, id }) {
      const [row] = await database.query<{ value: unknown; expires_at: Date }>(
        `delete from short_lived where tenant_id = $1 and model = $2 and key = $3
         returning value, expires_at`,
        [tenant, model, id],
      )
      return row && row.expires_at.getTime() > clock.now() ? row.value : undefined
    },
    async delete({ tenant, model, id }) {
      await database.execute(
        `delete from short_lived where tenant_id = $1 and model = $2 and key = $3`,
        [tenant, model, id],
      )
    },
    ping: async () => void (await database.query('select 1')),
    sweep: () => sweepTable(database, ShortLivedTable, 'expires_at <= $1', clock.now()),
    close: async () => undefined,
  }
}
