import type { Database } from '../storage/database.ts'
import { type AuditPlace, type EventRow, eventColumns, type StoredEvent, toEvent } from './event.ts'
import type { AuditType } from './kinds.ts'

/** Which events; what is absent leaves none out. Times in milliseconds since the epoch. */
export interface EventFilter {
  types?: readonly AuditType[] | undefined
  accountId?: string | undefined
  clientId?: string | undefined
  familyId?: string | undefined
  requestId?: string | undefined
  /** From then on. */
  since?: number | undefined
  /** Before then. */
  until?: number | undefined
}

/** A part of the events that fit. */
export interface EventPage {
  events: StoredEvent[]
  /** Where the next page begins; absent on the last. */
  next?: AuditPlace
}

/**
 * Events in the order of their time, a page at a time. Only the conditions that are asked for are in the statement, so
 * that each has the index that it needs, however many events there are.
 * @param page `after`: where the page before it ended
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
