import type { Audit } from '../audit/audit.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { alternationSpan, mostInAMinute, unusualIn } from './unusual.ts'

/**
 * Finds unusual refreshes (unusual.ts says which) in the time lines, in the background, so that a refresh does no work
 * for it. Several nodes may look: the audit log has each finding once a day per family.
 */
export interface FamilyWatch {
  /** Looks at the refreshes since the last call. */
  look(): Promise<void>
}

interface CandidateRow {
  tenant_id: string
  id: string
  account_id: string
  client_id: string
  is_public: boolean
  known: string[] | null
  recent: Array<{ at: number; ip: string | null; user_agent: string | null; rotated: boolean }>
}

/**
 * Milliseconds that each look reaches back before the last: rapid refreshes are counted within a minute, and what was
 * dated before a look may have been committed after it.
 */
const overlap = 60_000

export function createFamilyWatch({
  database,
  clock,
  audit,
  log,
}: Pick<Platform, 'database' | 'clock' | 'log'> & {
  audit: Audit
}): FamilyWatch {
  let lookedAt = clock.now() - alternationSpan

  /** Families that were refreshed often, or from another address than before. */
  function candidates(since: number): Promise<CandidateRow[]> {
    return database.query<CandidateRow>(
      `with moved as (
         select t.tenant_id, t.family_id from refresh_tokens t
           join refresh_tokens s on s.tenant_id = t.tenant_id and s.parent_hash = t.token_hash
         where t.consumed_at > $1
         group by t.tenant_id, t.family_id
         having count(*) > $3 or bool_or(s.ip is distinct from t.ip))
       select f.tenant_id, f.id, f.account_id, f.client_id,
         coalesce(c.metadata->>'token_endpoint_auth_method' = 'none', false) as is_public,
         (select array_agg(ip order by last_at) from (
            select r.ip, max(r.issued_at) as last_at from refresh_tokens r
            where r.tenant_id = f.tenant_id and r.family_id = f.id and r.issued_at <= $2 and r.ip is not null
            group by r.ip) earlier) as known,
         (select jsonb_agg(jsonb_build_object('at', floor(extract(epoch from r.issued_at) * 1000), 'ip', r.ip,
            'user_agent', r.user_agent, 'rotated', r.parent_hash is not null) order by r.issued_at, r.token_hash)
          from refresh_tokens r
          where r.tenant_id = f.tenant_id and r.family_id = f.id and r.issued_at > $2) as recent
       from moved m join families f on f.tenant_id = m.tenant_id and f.id = m.family_id
         join clients c on c.tenant_id = f.tenant_id and c.client_id = f.client_id`,
      [new Date(since), new Date(since - alternationSpan), mostInAMinute],
    )
  }

  async function note(row: CandidateRow, since: number): Promise<void> {
    const recent = (row.recent ?? []).map(({ at, ip, user_agent: userAgent, rotated }) => ({
      at,
      rotated,
      ...present({ ip, userAgent }),
    }))
    const found = unusualIn({ known: row.known ?? [], recent, isPublic: row.is_public }, since)
    for (const { type, by, detail } of found) {
      const [accountId, clientId, familyId] = [row.account_id, row.client_id, row.id]
      const event = { type, accountId, clientId, familyId, ...by, detail }
      if (!(await audit.recordOnce(row.tenant_id, event, familyId))) continue
      log.warn({ tenant: row.tenant_id, family: familyId, client: clientId, type, ...detail }, type)
    }
  }

  return {
    async look() {
      const now = clock.now()
      // The clock may have been set back.
      const since = Math.min(lookedAt, now) - overlap
      for (const row of await candidates(since)) await note(row, since)
      lookedAt = now
    },
  }
}
