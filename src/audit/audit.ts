import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { derivedId } from '../secrets/handle.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'

/** What happened, by type; each is documented in docs/audit.md. */
export const auditTypes = [
  'family.reuse',
  'family.replayed',
  'family.ended',
  'family.refreshed_rapidly',
  'family.network_changed',
  'family.networks_alternated',
  'logout.delivered',
  'logout.failed',
  'backchannel.asked',
  'backchannel.allowed',
  'backchannel.denied',
  'backchannel.notified',
  'backchannel.notify_failed',
  'account.signed_in',
  'account.sign_in_failed',
  'account.signed_out_everywhere',
  'account.others_signed_out',
  'account.password_changed',
  'account.profile_changed',
  'account.data_downloaded',
  'account.deleted',
  'account.disabled',
  'account.enabled',
  'account.locked',
  'account.unlocked',
  'account.reset_requested',
  'account.email_verified',
  'account.email_change_requested',
  'account.email_changed',
  'account.email_objected',
  'mail.sent',
  'mail.failed',
  'account.factor_added',
  'account.factor_renamed',
  'account.factor_removed',
  'account.recovery_codes_made',
  'account.recovery_code_used',
  'session.ended',
  'grant.revoked',
  'client.registered',
  'client.changed',
  'client.expired',
  'client.disabled',
  'client.enabled',
  'client.deleted',
  'tenant.disabled',
  'tenant.enabled',
  'signing_key.published',
  'signing_key.revoked',
  'key_encryption_key.rotated',
  'token.key_refused',
] as const

export interface AuditEvent {
  type: (typeof auditTypes)[number]
  accountId?: string | undefined
  clientId?: string | undefined
  familyId?: string | undefined
  ip?: string | undefined
  userAgent?: string | undefined
  /** No secrets, and nothing a caller made up without saying so. */
  detail?: Record<string, unknown> | undefined
}

/** Where an event stands among those of its tenant; `at` in milliseconds since the epoch. */
export interface AuditPlace {
  at: number
  id: string
}

/** Security events, append-only but for what is counted (ASVS 16.3). */
export interface Audit {
  /** Joins the transaction of what they tell; one statement, however many. */
  record(tenant: string, ...events: AuditEvent[]): Promise<void>
  /**
   * Writes what may come in floods: once an hour for a subject, with how often it came in `detail.count`; address and
   * program are those of the last.
   */
  count(tenant: string, event: Omit<AuditEvent, 'detail'>, subject: string): Promise<void>
  /** Writes what is noticed again and again: once a day (UTC) for a subject. @returns whether it was written */
  recordOnce(tenant: string, event: AuditEvent, subject: string): Promise<boolean>
  /** Events of an account, the newest first. @param before where an earlier page ended */
  ofAccount(
    tenant: string,
    accountId: string,
    which: { types: ReadonlyArray<AuditEvent['type']>; before?: AuditPlace; limit: number },
  ): Promise<Array<AuditEvent & AuditPlace>>
  /** The events of a family, the oldest first. */
  ofFamily(tenant: string, familyId: string): Promise<Array<AuditEvent & { at: number }>>
  /** Removes events that are older than they are kept, a batch at a time; returns how many. */
  sweep(): Promise<number>
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
  },
  references: { tenant: ofTenant },
  index: {
    at: ['tenant_id', 'at'],
    family: ['tenant_id', 'family_id'],
    kept: ['at'],
    account: { columns: ['tenant_id', 'account_id', 'at', 'id'], where: 'account_id is not null' },
  },
})

const keptDays = 400

interface Row {
  id: string
  at: Date
  type: AuditEvent['type']
  account_id: string | null
  client_id: string | null
  family_id: string | null
  ip: string | null
  user_agent: string | null
  detail: Record<string, unknown> | null
}

/** Milliseconds of one count. */
const countedFor = 3600 * 1000
/** Milliseconds in which an event that is noticed again is the same. */
const onceFor = 24 * 3600 * 1000

export function createAudit({ database, clock }: { database: Database; clock: Clock }): Audit {
  return {
    async record(tenant, ...events) {
      if (events.length === 0) return
      const rows = events.map((event) => ({
        id: randomUUID(),
        type: event.type,
        account_id: event.accountId,
        client_id: event.clientId,
        family_id: event.familyId,
        ip: event.ip,
        user_agent: event.userAgent,
        detail: event.detail,
      }))
      await database.execute(
        `insert into audit_events (tenant_id, id, at, type, account_id, client_id, family_id, ip, user_agent, detail)
         select $1, id, $2, type, account_id, client_id, family_id, ip, user_agent, detail
         from jsonb_to_recordset($3::jsonb) as event (id text, type text, account_id text, client_id text,
           family_id text, ip text, user_agent text, detail jsonb)`,
        [tenant, new Date(clock.now()), JSON.stringify(rows)],
      )
    },
    async recordOnce(tenant, event, subject) {
      const now = clock.now()
      const day = String(Math.floor(now / onceFor))
      const written = await database.execute(
        `insert into audit_events (tenant_id, id, at, type, account_id, client_id, family_id, ip, user_agent, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (tenant_id, id) do nothing`,
        [
          tenant,
          derivedId('once', event.type, subject, day),
          new Date(now),
          event.type,
          event.accountId ?? null,
          event.clientId ?? null,
          event.familyId ?? null,
          event.ip ?? null,
          event.userAgent ?? null,
          event.detail === undefined ? null : JSON.stringify(event.detail),
        ],
      )
      return written === 1
    },
    async count(tenant, { type, accountId, ip, userAgent }, subject) {
      const now = clock.now()
      const hour = String(Math.floor(now / countedFor))
      await database.execute(
        `insert into audit_events (tenant_id, id, at, type, account_id, ip, user_agent, detail)
         values ($1, $2, $3, $4, $5, $6, $7, '{"count": 1}')
         on conflict (tenant_id, id) do update set at = excluded.at, ip = excluded.ip,
           user_agent = excluded.user_agent,
           detail = jsonb_build_object('count', (audit_events.detail->>'count')::integer + 1)`,
        [
          tenant,
          derivedId('counted', type, subject, hour),
          new Date(now),
          type,
          accountId ?? null,
          ip ?? null,
          userAgent ?? null,
        ],
      )
    },
    async ofAccount(tenant, accountId, { types, before, limit }) {
      const rows = await database.query<Row>(
        `select id, at, type, account_id, client_id, family_id, ip, user_agent, detail from audit_events
         where tenant_id = $1 and account_id = $2 and type = any($3)
           and ($4::timestamptz is null or (at, id) < ($4::timestamptz, $5::text))
         order by at desc, id desc limit $6`,
        [
          tenant,
          accountId,
          types,
          before === undefined ? null : new Date(before.at),
          before?.id ?? null,
          limit,
        ],
      )
      return rows.map((row) => ({ ...toEvent(row), id: row.id }))
    },
    async ofFamily(tenant, familyId) {
      const rows = await database.query<Row>(
        `select id, at, type, account_id, client_id, family_id, ip, user_agent, detail from audit_events
         where tenant_id = $1 and family_id = $2 order by at, id`,
        [tenant, familyId],
      )
      return rows.map(toEvent)
    },
    sweep: () =>
      sweepTable(database, {
        table: 'audit_events',
        key: ['tenant_id', 'id'],
        where: 'at < $1',
        before: clock.now() - keptDays * 24 * 3600 * 1000,
      }),
  }
}

const toEvent = (row: Row): AuditEvent & { at: number } => ({
  at: row.at.getTime(),
  type: row.type,
  accountId: row.account_id ?? undefined,
  clientId: row.client_id ?? undefined,
  familyId: row.family_id ?? undefined,
  ip: row.ip ?? undefined,
  userAgent: row.user_agent ?? undefined,
  detail: row.detail ?? undefined,
})
