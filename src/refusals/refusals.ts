import type { Platform } from '../platform.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { Tally } from '../tallies.ts'
import { createFlood } from './flood.ts'
import { listRefusals, type RefusalFilter, type RefusalPage } from './listing.ts'
import { printable } from './mask.ts'
import type { Refusal } from './refusal.ts'
import { createRoom } from './room.ts'

/**
 * Stores refusals for a while so that they can be explained. Nothing depends on them: they are written in batches after
 * the answer, so that no request waits, and their number is bounded, since anyone can cause a refusal.
 */
export interface Refusals {
  /**
   * Stores a refusal, unless the same check refused the same client often in the last minutes. Never throws.
   * @param values details that are expensive to compute; called only if the refusal is stored
   */
  note(refusal: Omit<Refusal, 'at'>, values?: () => Pick<Refusal, 'expected' | 'received'>): void
  /** Counts those that were not stored, for the log. */
  readonly tally: Tally
  /** Writes the buffered refusals of this process. */
  flush(): Promise<void>
  /** Finds a refusal by id, in some tenants or in all. Those of other processes show within a second. */
  find(id: string, tenants?: readonly string[]): Promise<Refusal | undefined>
  /** Matching refusals, newest first. Those of other processes show within a second. */
  list(filter: RefusalFilter, page: RefusalPage): Promise<Refusal[]>
  /** Deletes refusals after their retention time, in batches. @returns how many */
  sweep(): Promise<number>
}

export const RefusalsTable = table('refusals', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    at: column.time,
    endpoint: column.text,
    failed_check: column.text,
    error: column.text,
    client_id: nullable(column.text),
    account_id: nullable(column.text),
    ip: nullable(column.text),
    reason: nullable(column.text),
    expected: nullable(column.text),
    received: nullable(column.text),
  },
  references: { tenant: ofTenant },
  index: {
    id: ['id'],
    kept: ['at'],
    tenant: ['tenant_id', 'at', 'id'],
    client: { columns: ['client_id', 'at', 'id'], where: 'client_id is not null' },
    account: { columns: ['account_id', 'at', 'id'], where: 'account_id is not null' },
    failed_check: ['failed_check', 'at', 'id'],
    error: ['error', 'at', 'id'],
  },
})

const keptDays = 7
const longestText = 1000

export function createRefusals({
  database,
  clock,
  counters,
  metrics,
  log,
}: Pick<Platform, 'database' | 'clock' | 'counters' | 'metrics' | 'log'>): Refusals {
  let waiting: Refusal[] = []
  /** One write at a time: `find` and `list` wait for the one in progress. */
  let writing = Promise.resolve()
  const flood = createFlood()
  const room = createRoom()

  async function write(): Promise<void> {
    if (waiting.length === 0) return
    const rows = waiting
    waiting = []
    await database
      .execute(
        `insert into refusals (tenant_id, id, at, endpoint, failed_check, error, client_id, account_id, ip, reason,
             expected, received)
           select row.* from jsonb_to_recordset($1::jsonb) as row (tenant_id text, id text, at timestamptz,
             endpoint text, failed_check text, error text, client_id text, account_id text, ip text, reason text,
             expected text, received text)
           where exists (select 1 from tenants where tenants.id = row.tenant_id)
           on conflict do nothing`,
        [JSON.stringify(rows.map(rowOf))],
      )
      .catch((error: Error) =>
        log.warn({ err: error, lost: rows.length }, 'refusals were not stored'),
      )
  }

  return {
    tally: flood.tally,
    note(refusal, values) {
      const { check, error, endpoint, ip } = refusal
      metrics.count('keyturn_refusals_total', { check, error })
      if (endpoint === 'sign-in') metrics.count('keyturn_sign_ins_total', { outcome: check })
      const now = clock.now()
      if (!room.take(refusal, now)) {
        flood.add(check, ip)
        counters.count('refusal_not_kept')
        return
      }
      waiting.push({ ...refusal, ...values?.(), at: now })
    },
    flush() {
      writing = writing.then(write)
      return writing
    },
    async find(id, tenants) {
      await this.flush()
      const [found] = await listRefusals(database, { id, tenants }, { limit: 1 })
      return found
    },
    async list(filter, page) {
      await this.flush()
      return listRefusals(database, filter, page)
    },
    sweep: () =>
      sweepTable(database, RefusalsTable, 'at <= $1', clock.now() - keptDays * 86_400_000),
  }
}

function rowOf(refusal: Refusal): Record<string, unknown> {
  const { tenant, id, at, endpoint, check, error, clientId, accountId, ip } = refusal
  // A text that Postgres refuses would make the whole batch fail.
  const text = (value: string | undefined) => value && printable(value.slice(0, longestText))
  return {
    tenant_id: tenant,
    id,
    at: new Date(at),
    endpoint: text(endpoint),
    failed_check: check,
    error: text(error),
    client_id: text(clientId),
    account_id: accountId,
    ip,
    reason: text(refusal.reason),
    expected: text(refusal.expected),
    received: text(refusal.received),
  }
}
