import { setBounded } from '../bounded-map.ts'
import type { Log } from '../log.ts'
import { currentOrigin } from '../origin.ts'
import type { Platform } from '../platform.ts'
import type { SharedSecrets } from '../secrets/shared-secrets.ts'
import { createChains, type Head } from './chain.ts'
import {
  type AuditActor,
  type AuditEvent,
  type AuditPlace,
  type EventRow,
  eventColumns,
  insertEvents,
  type StoredEvent,
  toEvent,
} from './event.ts'
import { countedId, eventId } from './event-id.ts'
import { type AuditType, auditKinds } from './kinds.ts'
import { type EventFilter, type EventPage, listEvents } from './listing.ts'
import { createAuditRetention } from './retention.ts'
import { type AuditSealer, createAuditSealer } from './sealer.ts'
import { addedTogether } from './together.ts'
import { type AuditVerification, verifyChain } from './verify.ts'

export type { AuditEvent, AuditPlace, StoredEvent } from './event.ts'

/**
 * Security events, append-only except for counted ones (ASVS 16.3). They are sealed into a chain after their commit.
 */
export interface Audit extends AuditSealer {
  /** Records events; joins the transaction of what they report. One statement, however many there are. */
  record(tenant: string, ...events: AuditEvent[]): Promise<void>
  /** The events in the form of `insertEvents`, for a statement that also writes what they report. */
  rows(...events: AuditEvent[]): string
  /**
   * Records events that may come in floods: one row per hour and subject, with their number in `detail.count`; address
   * and program are those of the last. Concurrent events of one process are one statement.
   * @param detail what `subject` stands for, beside the count
   * @param period `day` for events that may go on for ever: one row per day (UTC), in addition to that of the hour
   */
  count(tenant: string, event: AuditEvent, subject: string, period?: Period): Promise<void>
  /** Records a recurring event once per day (UTC) and subject. @returns whether it was written */
  recordOnce(tenant: string, event: AuditEvent, subject: string): Promise<boolean>
  /** Matching events, page by page, newest first by default. */
  listEvents(
    tenant: string,
    filter: EventFilter,
    page: { after?: AuditPlace | undefined; limit: number; order?: 'newest' | 'oldest' },
  ): Promise<EventPage>
  /** Events of an account, newest first. @param before where an earlier page ended */
  ofAccount(
    tenant: string,
    accountId: string,
    which: { types: ReadonlyArray<AuditType>; before?: AuditPlace; limit: number },
  ): Promise<StoredEvent[]>
  /** The events with these ids, in chain order. */
  byIds(tenant: string, ids: string[]): Promise<StoredEvent[]>
  /** The events of a family, oldest first. */
  ofFamily(tenant: string, familyId: string): Promise<StoredEvent[]>
  /** Verifies the chain. @param from where to begin; by default at its start */
  verify(tenant: string, from?: Head): Promise<AuditVerification>
  /** Deletes sealed events after their retention time, in batches. @returns how many */
  sweep(): Promise<number>
}

/** Log line for an event whose detail has members that its type does not define. */
export const strangeDetail = 'an audit event has details that its type does not have'

/** Milliseconds that one row counts for. */
const countedFor = { hour: 3600 * 1000, day: 24 * 3600 * 1000 }
type Period = keyof typeof countedFor
/** Milliseconds in which a recurring event is recorded once. */
const onceFor = countedFor.day
/** Most recurring events that a process remembers as written. */
const mostRemembered = 10_000

/** @param retention days by type, to override the type's own; `*` is all others */
export function createAudit(
  deps: Pick<Platform, 'database' | 'clock' | 'log' | 'metrics'> & {
    sharedSecrets: SharedSecrets
    retention: Readonly<Record<string, number>>
  },
): Audit {
  const { database, clock, log } = deps
  const chains = createChains(deps.sharedSecrets)
  const { sweep } = createAuditRetention({ ...deps, chains, days: daysOf(deps.retention) })

  /** @returns how many were new */
  async function insert(tenant: string, at: number, ...rows: object[]): Promise<number> {
    if (rows.length === 0) return 0
    return database.execute(insertEvents({ tenant: '$1', at: '$2', rows: '$3' }), [
      tenant,
      new Date(at),
      JSON.stringify(rows),
    ])
  }

  const rowsOf = (now: number, events: AuditEvent[]) =>
    events.map((event) => ({ id: eventId(now), ...rowOf(event, log) }))

  async function add(id: string, row: Counted, times: number): Promise<void> {
    await database.execute(
      `insert into audit_events (tenant_id, id, at, open_until, type, outcome, actor_kind, actor_id, account_id,
         client_id, family_id, ip, user_agent, request_id, detail)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
       on conflict (tenant_id, id) do update set at = excluded.at, ip = excluded.ip,
         user_agent = excluded.user_agent, request_id = excluded.request_id,
         detail = excluded.detail
           || jsonb_build_object('count', (audit_events.detail->>'count')::integer + $16::integer)
       where audit_events.position is null`,
      [
        row.tenant,
        id,
        new Date(row.at),
        new Date(row.until),
        row.type,
        row.outcome,
        row.actor_kind,
        row.actor_id ?? null,
        row.account_id ?? null,
        row.client_id ?? null,
        row.family_id ?? null,
        row.ip ?? null,
        row.user_agent ?? null,
        row.request_id ?? null,
        JSON.stringify({ ...row.detail, count: times }),
        times,
      ],
    )
  }
  const addTogether = addedTogether(add)
  const written = new Map<string, true>()

  return {
    ...createAuditSealer({ ...deps, chains }),
    async record(tenant, ...events) {
      const now = clock.now()
      await insert(tenant, now, ...rowsOf(now, events))
    },
    rows: (...events) => JSON.stringify(rowsOf(clock.now(), events)),
    async recordOnce(tenant, event, subject) {
      const now = clock.now()
      const day = Math.floor(now / onceFor)
      const id = countedId(day * onceFor, tenant, event.type, subject)
      if (written.has(id)) return false
      const isNew = (await insert(tenant, now, { id, ...rowOf(event, log) })) === 1
      // The transaction may still roll back, so it is remembered only outside of one.
      if (!database.current()?.isOpen()) setBounded(written, id, true, mostRemembered)
      return isNew
    },
    async count(tenant, event, subject, period = 'hour') {
      const now = clock.now()
      const began = Math.floor(now / countedFor[period]) * countedFor[period]
      // At midnight an hour and a day begin together; their ids must differ.
      const parts = period === 'hour' ? [subject] : [subject, period]
      const id = countedId(began, tenant, event.type, ...parts)
      const row = rowOf({ ...event, detail: { ...event.detail, count: 1 } }, log)
      const counted = { tenant, at: now, until: began + countedFor[period], ...row }
      // Within a transaction it is written alone, as it may be rolled back.
      await (database.current()?.isOpen() ? add(id, counted, 1) : addTogether(id, counted))
    },
    listEvents: (tenant, filter, page) => listEvents(database, tenant, filter, page),
    async ofAccount(tenant, accountId, { types, before, limit }) {
      const page = { after: before, limit }
      return (await listEvents(database, tenant, { accountId, types }, page)).events
    },
    async byIds(tenant, ids) {
      const rows = await database.query<EventRow>(
        `select ${eventColumns} from audit_events e where tenant_id = $1 and id = any($2) order by e.position`,
        [tenant, ids],
      )
      return rows.map(toEvent)
    },
    async ofFamily(tenant, familyId) {
      const rows = await database.query<EventRow>(
        `select ${eventColumns} from audit_events
         where tenant_id = $1 and family_id = $2 order by audit_events.at, audit_events.id`,
        [tenant, familyId],
      )
      return rows.map(toEvent)
    },
    verify: (tenant, from) => verifyChain({ database, chains }, tenant, from),
    sweep,
  }
}

type Counted = ReturnType<typeof rowOf> & { tenant: string; at: number; until: number }

function rowOf(event: AuditEvent, log: Log) {
  const { type, accountId, clientId, familyId, detail } = event
  const kind = auditKinds[type]
  const origin = currentOrigin()
  const actor = actorOf(event)
  origin.events?.push(type)
  return {
    type,
    outcome: kind.outcome,
    actor_kind: actor.kind,
    actor_id: actor.id,
    actor_role: actor.role,
    account_id: accountId,
    client_id: clientId,
    family_id: familyId,
    ip: event.ip ?? origin.ip,
    user_agent: event.userAgent ?? origin.userAgent,
    request_id: origin.requestId,
    detail: detail && detailOf(type, detail, log),
  }
}

/**
 * The members of `detail` that the type defines. Any other is a bug in this server: it is logged and dropped, but does
 * not make the request fail.
 */
function detailOf(type: AuditType, detail: Record<string, unknown>, log: Log) {
  const members = Object.entries(detail).filter(([, value]) => value !== undefined)
  const { success, error } = auditKinds[type].detail.safeParse(Object.fromEntries(members))
  if (success) return detail
  log.error({ type, faults: error.issues.map(({ message }) => message) }, strangeDetail)
  const known = Object.keys(auditKinds[type].detail.shape)
  return Object.fromEntries(members.filter(([name]) => known.includes(name)))
}

/**
 * The actor, by the first of: the event itself, the command or request that it comes from, `detail.by`, the default of
 * its type.
 */
function actorOf({ type, actor, accountId, clientId, detail }: AuditEvent): AuditActor {
  const { command, operator } = currentOrigin()
  if (actor) return actor
  if (operator) return operator
  if (command !== undefined) return { kind: 'operator', id: command }
  if (detail?.['by'] === 'operator') return { kind: 'operator' }
  const kind = detail?.['by'] === 'owner' ? 'account' : auditKinds[type].actor
  if (kind === 'account') return { kind, id: accountId }
  return kind === 'client' ? { kind, id: clientId } : { kind }
}

function daysOf(retention: Readonly<Record<string, number>>): Record<AuditType, number> {
  const days = Object.entries(auditKinds).map(([type, { keep }]) => [
    type,
    retention[type] ?? retention['*'] ?? keep,
  ])
  return Object.fromEntries(days) as Record<AuditType, number>
}
