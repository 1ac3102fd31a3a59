import { rfc3339 } from '../rfc3339.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { ActorKind, AuditType, Outcome } from './kinds.ts'

/** Who caused an event. The id of an `operator` is the name of a command; `system` and `anybody` have none. */
export interface AuditActor {
  kind: ActorKind
  id?: string | undefined
  /** The role that permitted it, where an account or client needed one. */
  role?: string | undefined
}

/** An event as a capability reports it; the rest comes from its origin (`src/origin.ts`). */
export interface AuditEvent {
  type: AuditType
  accountId?: string | undefined
  clientId?: string | undefined
  familyId?: string | undefined
  ip?: string | undefined
  userAgent?: string | undefined
  /** Must not contain secrets, or input of a caller that is not marked as such. Its members are those of the type. */
  detail?: Record<string, unknown> | undefined
  /** Needed only when neither `detail.by` nor the origin nor the type determines it. */
  actor?: AuditActor | undefined
}

/** The position of an event in time order; `at` in milliseconds since the epoch. */
export interface AuditPlace {
  at: number
  id: string
}

/** An event as it is stored. */
export interface StoredEvent extends AuditEvent, AuditPlace {
  /** Undefined for events of versions that did not record it. */
  outcome?: Outcome | undefined
  requestId?: string | undefined
  /** Its position in the chain; undefined until it is sealed. */
  position?: number | undefined
  seal?: string | undefined
}

export const AuditEventsTable = table('audit_events', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    at: column.time,
    type: column.text,
    account_id: nullable(column.text),
    client_id: nullable(column.text),
    family_id: nullable(column.text),
    ip: nullable(column.text),
    user_agent: nullable(column.text),
    detail: nullable(column.json),
    outcome: nullable(column.text),
    actor_kind: nullable(column.text),
    actor_id: nullable(column.text),
    actor_role: nullable(column.text),
    request_id: nullable(column.text),
    open_until: nullable(column.time),
    position: nullable(column.long),
    seal: nullable(column.text),
  },
  references: { tenant: ofTenant },
  index: {
    at: ['tenant_id', 'at', 'id'],
    type: ['tenant_id', 'type', 'at', 'id'],
    family: ['tenant_id', 'family_id'],
    account: { columns: ['tenant_id', 'account_id', 'at', 'id'], where: 'account_id is not null' },
    client: { columns: ['tenant_id', 'client_id', 'at', 'id'], where: 'client_id is not null' },
    request: { columns: ['tenant_id', 'request_id'], where: 'request_id is not null' },
    unsealed: { columns: ['tenant_id', 'at', 'id'], where: 'position is null' },
    position: { columns: ['tenant_id', 'position'], unique: true, where: 'position is not null' },
  },
})

export interface EventRow {
  id: string
  at: Date
  type: AuditType
  outcome: Outcome | null
  actor_kind: ActorKind | null
  actor_id: string | null
  actor_role: string | null
  account_id: string | null
  client_id: string | null
  family_id: string | null
  ip: string | null
  user_agent: string | null
  request_id: string | null
  detail: Record<string, unknown> | null
  position: string | null
  seal: string | null
}

/** Columns of an `EventRow`. */
export const eventColumns = `id, at, type, outcome, actor_kind, actor_id, actor_role, account_id, client_id, family_id,
  ip, user_agent, request_id, detail, position::text as position, seal`

/**
 * SQL that inserts events; `tenant`, `at` and `rows` (from `Audit.rows`) are expressions.
 * @param behind an earlier part of the statement, which must have returned a row
 */
export const insertEvents = (
  { tenant, at, rows }: { tenant: string; at: string; rows: string },
  { behind }: { behind?: string } = {},
) =>
  `insert into audit_events (tenant_id, id, at, type, outcome, actor_kind, actor_id, actor_role, account_id,
     client_id, family_id, ip, user_agent, request_id, detail)
   select ${tenant}, id, ${at}, type, outcome, actor_kind, actor_id, actor_role, account_id, client_id, family_id, ip,
     user_agent, request_id, detail
   from ${behind === undefined ? '' : `${behind}, `}jsonb_to_recordset(${rows}::jsonb) as event (id text, type text,
     outcome text, actor_kind text, actor_id text, actor_role text, account_id text, client_id text, family_id text,
     ip text, user_agent text, request_id text, detail jsonb)
   on conflict (tenant_id, id) do nothing`

export function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    at: row.at.getTime(),
    type: row.type,
    outcome: row.outcome ?? undefined,
    actor: actorIn(row),
    accountId: row.account_id ?? undefined,
    clientId: row.client_id ?? undefined,
    familyId: row.family_id ?? undefined,
    ip: row.ip ?? undefined,
    userAgent: row.user_agent ?? undefined,
    requestId: row.request_id ?? undefined,
    detail: row.detail ?? undefined,
    position: row.position === null ? undefined : Number(row.position),
    seal: row.seal ?? undefined,
  }
}

function actorIn({ actor_kind: kind, actor_id: id, actor_role: role }: EventRow) {
  if (kind === null) return undefined
  return { kind, id: id ?? undefined, ...(role === null ? {} : { role }) }
}

/** An event in an export or webhook: times as RFC 3339, absent members left out. */
export function eventJson(tenant: string, event: StoredEvent): Record<string, unknown> {
  const members = {
    id: event.id,
    at: rfc3339(event.at),
    tenant_id: tenant,
    type: event.type,
    outcome: event.outcome,
    actor: event.actor,
    account_id: event.accountId,
    client_id: event.clientId,
    family_id: event.familyId,
    ip: event.ip,
    user_agent: event.userAgent,
    request_id: event.requestId,
    detail: event.detail,
    position: event.position,
    seal: event.seal,
  }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
