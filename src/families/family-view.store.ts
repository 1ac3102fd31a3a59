import type { Clock } from '../clock.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { deviceLabel } from './device.ts'
import type { FamilyEnd, FamilyStep, FamilyView } from './family.ts'
import { presenter } from './token-row.ts'

interface FamilyRow {
  id: string
  grant_id: string
  account_id: string
  client_id: string
  session_uid: string | null
  ends_with_session: boolean
  created_at: Date
  expires_at: Date
  ended_at: Date | null
  ended_reason: FamilyEnd | null
  ended_detail: Record<string, unknown> | null
  last_used_at: Date | null
  user_agent: string | null
  ip: string | null
  idle_expires_at: Date | null
}

/** Which families to show. */
export interface FamilyFilter {
  accountId?: string | undefined
  clientId?: string | undefined
  id?: string | undefined
  live?: boolean | undefined
  /** Where an earlier page ended. */
  after?: { createdAt: number; id: string } | undefined
  /** Default 1000. */
  limit?: number | undefined
}

/** Families as operators and people look at them; what a token request needs is in family.store.ts. */
export function createFamilyViews({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  return {
    async list(tenant: string, filter: FamilyFilter): Promise<FamilyView[]> {
      const rows = await database.query<FamilyRow>(
        `select f.id, f.grant_id, f.account_id, f.client_id, f.session_uid, f.ends_with_session, f.created_at,
           f.expires_at, f.ended_at, f.ended_reason, f.ended_detail, f.ip, f.user_agent,
           t.issued_at as last_used_at, t.expires_at as idle_expires_at
         from families f left join refresh_tokens t
           on t.tenant_id = f.tenant_id and t.family_id = f.id and t.consumed_at is null
         where f.tenant_id = $1 and ($2::text is null or f.account_id = $2)
           and ($3::text is null or f.client_id = $3) and ($4::text is null or f.id = $4)
           and (not $5 or (f.ended_at is null and f.expires_at > $6 and t.expires_at > $6))
           and ($7::timestamptz is null or (f.created_at, f.id) < ($7, $8))
         order by f.created_at desc, f.id desc limit $9`,
        [
          tenant,
          filter.accountId ?? null,
          filter.clientId ?? null,
          filter.id ?? null,
          filter.live ?? false,
          now(),
          filter.after === undefined ? null : new Date(filter.after.createdAt),
          filter.after?.id ?? null,
          filter.limit ?? 1000,
        ],
      )
      return rows.map((row) => toView(tenant, row))
    },

    async steps(tenant: string, familyId: string): Promise<FamilyStep[]> {
      const rows = await database.query<{
        token_hash: string
        parent_hash: string | null
        issued_at: Date
        expires_at: Date
        consumed_at: Date | null
        ip: string | null
        user_agent: string | null
        replays: number | null
        replayed_at: Date | null
      }>(
        `select token_hash, parent_hash, issued_at, expires_at, consumed_at, ip, user_agent, replays, replayed_at
         from refresh_tokens where tenant_id = $1 and family_id = $2 order by issued_at, token_hash`,
        [tenant, familyId],
      )
      return rows.map((row) => ({
        token: shortened(row.token_hash),
        ...(row.parent_hash === null ? {} : { parent: shortened(row.parent_hash) }),
        issuedAt: row.issued_at.getTime(),
        expiresAt: row.expires_at.getTime(),
        ...present({ consumedAt: row.consumed_at?.getTime() }),
        issuedTo: presenter(row.ip, row.user_agent),
        replays: row.replays ?? 0,
        ...present({ replayedAt: row.replayed_at?.getTime() }),
      }))
    },
  }
}

function shortened(hash: string): string {
  return hash.slice(0, 10)
}

function toView(tenant: string, row: FamilyRow): FamilyView {
  return {
    tenant,
    id: row.id,
    grantId: row.grant_id,
    accountId: row.account_id,
    clientId: row.client_id,
    ...present({ sessionUid: row.session_uid }),
    endsWithSession: row.ends_with_session,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    allowedFrom: presenter(row.ip, row.user_agent),
    lastUsedAt: (row.last_used_at ?? row.created_at).getTime(),
    idleExpiresAt: (row.idle_expires_at ?? row.expires_at).getTime(),
    device: deviceLabel(row.user_agent ?? undefined),
    ...present({
      endedAt: row.ended_at?.getTime(),
      endedReason: row.ended_reason,
      endedDetail: row.ended_detail,
    }),
  }
}
