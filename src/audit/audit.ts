import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'

/** What happened, by type; each is documented in docs/audit.md. */
export const auditTypes = [
  'family.reuse',
  'family.replayed',
  'family.ended',
  'logout.delivered',
  'logout.failed',
  'backchannel.asked',
  'backchannel.allowed',
  'backchannel.denied',
  'backchannel.notified',
  'backchannel.notify_failed',
  'account.signed_out_everywhere',
  'account.password_changed',
  'account.disabled',
  'account.enabled',
  'account.locked',
  'account.unlocked',
  'account.factor_added',
  'account.factor_renamed',
  'account.factor_removed',
  'account.recovery_codes_made',
  'account.recovery_code_used',
  'session.ended',
  'grant.revoked',
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

/** Security events, append-only (ASVS 16.3). */
export interface Audit {
  /** Joins the transaction of what they tell; one statement, however many. */
  record(tenant: string, ...events: AuditEvent[]): Promise<void>
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
  index: { at: ['tenant_id', 'at'], family: ['tenant_id', 'family_id'], kept: ['at'] },
})

const keptDays = 400

interface Row {
  at: Date
  type: AuditEvent['type']
  account_id: string | null
  client_id: string | null
  ip: string | null
  user_agent: string | null
  detail: Record<string, unknown> | null
}

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
    async ofFamily(tenant, familyId) {
      const rows = await database.query<Row>(
        `select at, type, account_id, client_id, ip, user_agent, detail from audit_events
         where tenant_id = $1 and family_id = $2 order by at, id`,
        [tenant, familyId],
      )
      return rows.map((row) => ({
        at: row.at.getTime(),
        type: row.type,
        familyId,
        accountId: row.account_id ?? undefined,
        clientId: row.client_id ?? undefined,
        ip: row.ip ?? undefined,
        userAgent: row.user_agent ?? undefined,
        detail: row.detail ?? undefined,
      }))
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
