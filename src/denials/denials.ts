import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/** What a self-contained access token can be denied by. */
export type DenialKind = 'jti' | 'family' | 'session' | 'account' | 'client' | 'tenant'

export interface Denial {
  kind: DenialKind
  subject: string
}

/**
 * Self-contained access tokens that are void before they expire. The entry is in Postgres before the request that
 * asked for it is answered (architecture §7), and lives as long as the longest token it can touch.
 */
export interface Denials {
  /** Denies every token issued up to now that one of these names; never fewer than before. */
  add(tenant: string, denials: Denial[]): Promise<void>
  /**
   * Whether any of these denies a token.
   * @param issuedAt the token's `iat`, in seconds
   */
  anyDenies(tenant: string, denials: Denial[], issuedAt: number): Promise<boolean>
  /** Removes entries no living token can meet, a batch at a time; returns how many. */
  sweep(): Promise<number>
}

export const DenialsTable = table('denials', {
  key: ['tenant_id', 'kind', 'subject'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    subject: column.text,
    not_before: column.time,
    created_at: column.time,
    expires_at: column.time,
  },
  references: { tenant: ofTenant },
  index: { expires: ['expires_at'] },
})

/** The longest an access token may live, in seconds, and the engine's tolerance for clocks. */
const longestToken = 900 + 15
const sweepBatch = 500

export function createDenials({ database, clock }: { database: Database; clock: Clock }): Denials {
  return {
    async add(tenant, denials) {
      if (denials.length === 0) return
      const now = clock.now()
      await database.execute(
        `insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at)
         select distinct $1, kind, subject, $4::timestamptz, $4::timestamptz, $5::timestamptz
         from unnest($2::text[], $3::text[]) as t (kind, subject) order by 2, 3
         on conflict (tenant_id, kind, subject)
         do update set not_before = greatest(denials.not_before, excluded.not_before),
           expires_at = greatest(denials.expires_at, excluded.expires_at)`,
        [
          tenant,
          denials.map(({ kind }) => kind),
          denials.map(({ subject }) => subject),
          new Date(now),
          new Date(now + longestToken * 1000),
        ],
      )
    },
    async anyDenies(tenant, denials, issuedAt) {
      const rows = await database.query(
        `select 1 from denials d join unnest($2::text[], $3::text[]) as t (kind, subject)
           on d.kind = t.kind and d.subject = t.subject
         where d.tenant_id = $1 and d.not_before >= $4 limit 1`,
        [
          tenant,
          denials.map(({ kind }) => kind),
          denials.map(({ subject }) => subject),
          new Date(issuedAt * 1000),
        ],
      )
      return rows.length > 0
    },
    sweep: () =>
      database.execute(
        `delete from denials where (tenant_id, kind, subject) in (
           select tenant_id, kind, subject from denials where expires_at <= $1
           limit ${sweepBatch} for update skip locked)`,
        [new Date(clock.now())],
      ),
  }
}
