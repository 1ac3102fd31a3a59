import type { Database } from '../storage/database.ts'
import { type AuditPlace, type EventRow, eventColumns, type StoredEvent, toEvent } from './event.ts'
import type { AuditType } from './kinds.ts'

/** A filter for events; absent members match all. Times in milliseconds since the epoch. */
export interface EventFilter {
  types?: readonly AuditType[] | undefined
  accountId?: string | undefined
  clientId?: string | undefined
  familyId?: string | undefined
  requestId?: string | undefined
  /** Inclusive. */
  since?: number | undefined
  /** Exclusive. */
  until?: number | undefined
}

/** A page of matching events. */
export interface EventPage {
  events: StoredEvent[]
  /** Where the next page begins; undefined on the last. */
  next?: AuditPlace
}

/**
 * Events in time order, page by page. The statement has only the requested conditions, so that each has the index that
 * it needs.
 * @param page `after`: where the previous page ended
 */
export async function listEvents(
  database: Database,
  tenant: string,
  filter: EventFilter,
  page: { after?: AuditPlace | undefined; limit: number; order?: 'newest' | 'oldest' },
): Promise<EventPage> {
  const parameters: unknown[] = [tenant]
  const given = (value: unknown) => `$${parameters.push(value)}`
  const conditions = ['tenant_id = $1']
  const { types, accountId, clientId, familyId, requestId, since, until } = filter
  const [type, ...others] = types ?? []
  if (others.length > 0) conditions.push(`type = any(${given(types)})`)
  else if (type !== undefined) conditions.push(`type = ${given(type)}`)
  if (accountId !== undefined) conditions.push(`account_id = ${given(accountId)}`)
  if (clientId !== undefined) conditions.push(`client_id = ${given(clientId)}`)
  if (familyId !== undefined) conditions.push(`family_id = ${given(familyId)}`)
  if (requestId !== undefined) conditions.push(`request_id = ${given(requestId)}`)
  if (since !== undefined) conditions.push(`at >= ${given(new Date(since))}`)
  if (until !== undefined) conditions.push(`at < ${given(new Date(until))}`)
  const isNewest = page.order !== 'oldest'
  if (page.after) {
    const { at, id } = page.after
    conditions.push(`(at, id) ${isNewest ? '<' : '>'} (${given(new Date(at))}, ${given(id)}::text)`)
  }
  const direction = isNewest ? 'desc' : 'asc'
  const rows = await database.query<EventRow>(
    `select ${eventColumns} from audit_events where ${conditions.join(' and ')}
     order by at ${direction}, id ${direction} limit ${given(page.limit + 1)}`,
    parameters,
  )
  const events = rows.slice(0, page.limit).map(toEvent)
  const last = rows.length > page.limit ? events.at(-1) : undefined
  return { events, ...(last ? { next: { at: last.at, id: last.id } } : {}) }
}
