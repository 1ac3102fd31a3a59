import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import type { MessageState, MessageView } from './message.ts'

export interface MessageFilter {
  state?: MessageState | undefined
  /** Members that the payload must have. */
  payload?: Record<string, unknown> | undefined
}

interface Row {
  tenant_id: string
  id: string
  destination: string
  payload: Record<string, unknown>
  created_at: Date
  next_at: Date
  attempts: number
  delivered_at: Date | null
  failed_at: Date | null
  last_error: string | null
  state: MessageState
}

/** Most rows of one listing. */
const longestList = 1000

/** Messages as operators see them; the queries of delivery are in outbox.store.ts. */
export function createOutboxViewStore({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** Restarts messages that were given up, as if they had just been added. @returns how many */
    async retry(
      tenant: string,
      kind: string,
      { id, payload }: { id?: string | undefined; payload?: Record<string, unknown> | undefined },
    ): Promise<number> {
      return database.execute(
        `update outbox set failed_at = null, last_error = null, attempts = 0, created_at = $5, next_at = $5
         where tenant_id = $1 and kind = $2 and failed_at is not null and payload @> $3
           and ($4::text is null or id = $4)`,
        [tenant, kind, JSON.stringify(payload ?? {}), id ?? null, new Date(clock.now())],
      )
    },

    /** Newest first. */
    async list(
      tenant: string,
      kind: string,
      { state, payload }: MessageFilter,
    ): Promise<MessageView[]> {
      const rows = await database.query<Row>(
        `select * from (
           select tenant_id, id, kind, destination, payload, created_at, next_at, attempts, delivered_at, failed_at,
             last_error, case when delivered_at is not null then 'delivered' when failed_at is not null then 'failed'
             else 'waiting' end as state from outbox
           where tenant_id = $1 and kind = $2 and payload @> $4) o
         where $3::text is null or state = $3 order by created_at desc, id limit ${longestList}`,
        [tenant, kind, state ?? null, JSON.stringify(payload ?? {})],
      )
      return rows.map((row) => toView(row))
    },
  }
}

function toView(row: Row): MessageView {
  const { delivered_at: delivered, failed_at: failed } = row
  const view: MessageView = {
    tenant: row.tenant_id,
    id: row.id,
    destination: row.destination,
    payload: row.payload,
    state: row.state,
    attempts: row.attempts,
    createdAt: row.created_at.getTime(),
  }
  if (delivered) view.deliveredAt = delivered.getTime()
  if (failed) view.failedAt = failed.getTime()
  if (view.state === 'waiting') view.nextAt = row.next_at.getTime()
  if (row.last_error !== null) view.lastError = row.last_error
  return view
}
