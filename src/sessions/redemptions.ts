import {
  type AccountRow,
  accountColumns,
  signInCounts,
  toAccount,
} from '../accounts/account.store.ts'
import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import { grantColumns, type JoinedGrant, joinedGrant } from '../grants/grants.ts'
import type { Platform } from '../platform.ts'
import type { SingleUseKey } from '../single-use/single-use.ts'

/** What is redeemed for tokens once: a code, a device code, a backchannel request. */
export interface Redeemable {
  /** Its single-use claim; `until`: when the claim may be forgotten, in milliseconds since the epoch. */
  claim: SingleUseKey
  until: number
  accountId: string
  clientId: string
  grantId: string
  /** The session that it ends with; absent if it outlives its session. */
  sessionUid?: string | undefined
  /** When its sign-in was checked, in milliseconds; set where the account must be locked. */
  verifiedAt?: number | undefined
}

/** The live rows that it hangs from, share-locked: ending one of them waits for the transaction. */
export interface Held {
  /** Whether account and session are there. */
  stands: boolean
  /** Its account, active or not; locked only where `verifiedAt` is given. */
  account?: Account | undefined
  grant?: Grant | undefined
  /** The session that it ends with, and the grant of its client in it. */
  session?: { uid: string; accountId?: string; grantId?: string; expiresAt: number } | undefined
  /** Whether its client is enabled. */
  hasClient: boolean
  /** Whether this transaction redeems it, if it commits; false where something that it hangs from is missing. */
  isFirst: boolean
  /** When it was redeemed earlier, in milliseconds. */
  spentAt?: number | undefined
}

/** The step from what a person allowed to tokens, possible once. */
export interface Redemptions {
  /**
   * Claims it in the open transaction, and locks all that it hangs from: one statement, in the order in which
   * revocations lock. Concurrent callers wait for each other.
   */
  hold(what: Redeemable): Promise<Held>
}

interface StateRow {
  stands: boolean
  session_account: string | null
  session_grant: string | null
  /** Expiry of the session; null without one. */
  until: Date | null
  has_client: boolean
  is_first: boolean
  spent_at: Date | null
}

type Row = (AccountRow | { id: null }) & JoinedGrant & StateRow

const ofSession = `
  select s.account_id, s.expires_at from account, sessions s
  where s.tenant_id = $1 and s.uid = $3 and s.ended_at is null and s.expires_at > $8 for share of s`
const ofNoSession = `
  select null as account_id, null::timestamptz as expires_at from account where $3::text is null`

/**
 * Each part reads the one before, and so locks after it; the claim comes last. The client's row in the session is
 * locked as well: the statement may have waited for the log-out that deletes it, and would still read it.
 */
const holding = (withSession: boolean, withSignIn: boolean) =>
  `with account as materialized (
     select ${accountColumns} from accounts a
     where a.tenant_id = $1 and a.id = $2 ${withSignIn ? `and ${signInCounts('$10')} for share` : ''}),
   session as materialized (${withSession ? ofSession : ofNoSession}),
   part as materialized (
     select p.grant_id from session, session_clients p
     where p.tenant_id = $1 and p.session_uid = $3 and p.client_id = $5 for share of p),
   given as materialized (
     select ${grantColumns} from session, grants g
     where g.tenant_id = $1 and g.id = $4 and g.revoked_at is null for share of g),
   client as materialized (
     select 1 from given, clients c
     where c.tenant_id = $1 and c.client_id = $5 and c.disabled_at is null for share of c),
   claim as (
     insert into single_use (tenant_id, kind, key, spent_at, expires_at)
     select $1, $6, $7, $8, $9 from client on conflict do nothing returning 1)
   select a.*, g.*, exists (select from session) as stands, exists (select from client) as has_client,
     exists (select from claim) as is_first, s.account_id as session_account, s.expires_at as until,
     (select grant_id from part) as session_grant,
     (select spent_at from single_use where tenant_id = $1 and kind = $6 and key = $7) as spent_at
   from (select 1) as always left join account a on true left join given g on true left join session s on true`

export function createRedemptions({
  database,
  clock,
}: Pick<Platform, 'database' | 'clock'>): Redemptions {
  return {
    async hold({ claim, until, accountId, clientId, grantId, sessionUid, verifiedAt }) {
      const { tenant, kind, key } = claim
      const withSignIn = verifiedAt !== undefined
      const rows = await database.query<Row>(holding(sessionUid !== undefined, withSignIn), [
        tenant,
        accountId,
        sessionUid ?? null,
        grantId,
        clientId,
        kind,
        key,
        new Date(clock.now()),
        new Date(until),
        ...(withSignIn ? [new Date(verifiedAt)] : []),
      ])
      const [row] = rows as [Row]
      return {
        stands: row.stands,
        session: sessionOf(sessionUid, row),
        account: row.id === null ? undefined : toAccount(row),
        grant: joinedGrant(tenant, row),
        hasClient: row.has_client,
        isFirst: row.is_first,
        spentAt: row.spent_at?.getTime(),
      }
    },
  }
}

function sessionOf(
  uid: string | undefined,
  { session_account: accountId, session_grant: grantId, until }: StateRow,
): Held['session'] {
  if (uid === undefined || until === null) return undefined
  return {
    uid,
    ...(accountId === null ? {} : { accountId }),
    ...(grantId === null ? {} : { grantId }),
    expiresAt: until.getTime(),
  }
}
