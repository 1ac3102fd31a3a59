import { insertEvents } from '../audit/event.ts'
import type { Clock } from '../clock.ts'
import { mostRows } from '../storage/chunks.ts'
import type { Database } from '../storage/database.ts'
import type { NewToken } from './family.store.ts'
import type { Family, FamilyEnd } from './family.ts'

/** The outcome of `start`. */
export interface Start {
  started: boolean
  /** How many live families its account had at its client before. */
  others: number
}

/**
 * Selects the client if it is enabled, and keeps it so until the transaction ends: disabling it waits. What was allowed
 * before the client was disabled and enabled again is void. An earlier statement of the transaction must have locked the
 * client (`Redemptions.hold`): if that one had to wait, the denial shows in the snapshot of this one. A statement that
 * waits itself reads the denials as they were before it waited.
 */
const allowed = (client: string, allowedAt: string) => `
  from clients c
  where c.tenant_id = $1 and c.client_id = ${client} and c.disabled_at is null and not exists (
    select 1 from denials d where d.tenant_id = $1 and d.kind = 'client' and d.subject = ${client}
      and d.not_before >= ${allowedAt}) for share of c`

/**
 * One row if `written` has one. If not: no row or, with `orFail`, the error of `isNothingWritten`, which rolls back
 * what went before.
 */
const outcome = (value: string, written: string, orFail: boolean) =>
  orFail
    ? `select ${value} / (select count(*) from ${written})::int as others`
    : `select ${value} as others from ${written}`

const time = (seconds: number | undefined) =>
  seconds === undefined ? null : new Date(seconds * 1000)

/** Starts families, and ends those past the limit. */
export function createFamilyStart({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  return {
    /**
     * @param allowedAt seconds since the epoch
     * @param events rows of `Audit.rows`, written only if the family starts
     * @param orFail whether it is an error if the family does not start
     */
    async start(
      family: Family,
      token: NewToken,
      allowedAt: number | undefined,
      events: string,
      orFail: boolean,
    ): Promise<Start> {
      const [row] = await database.query<{ others: number }>(
        `with own as materialized (
           select client_id from families
           where tenant_id = $1 and account_id = $4 and ended_at is null and expires_at > $11),
         allowed as (
           select tenant_id, client_id ${allowed('$5', '$17')}),
         started as (
           insert into families (tenant_id, id, grant_id, account_id, client_id, session_uid, ends_with_session,
             created_at, expires_at, ip, user_agent)
           select tenant_id, $2, $3, $4, client_id, $6, $7, $11, $8, $14, $15 from allowed returning tenant_id, id),
         token as (
           insert into refresh_tokens (tenant_id, token_hash, family_id, payload, issued_at, expires_at, ip, user_agent)
           select tenant_id, $9, id, $10, $11, $12, $13, $16 from started returning tenant_id),
         told as (${insertEvents({ tenant: '$1', at: '$11', rows: '$18' }, { behind: 'token' })})
         ${outcome('(select count(*) from own where client_id = $5)::int', 'token', orFail)}`,
        [
          family.tenant,
          family.id,
          family.grantId,
          family.accountId,
          family.clientId,
          family.sessionUid ?? null,
          family.endsWithSession,
          new Date(family.expiresAt),
          token.hash,
          JSON.stringify(token.payload),
          now(),
          new Date(token.expiresAt),
          token.issuedTo.ip ?? null,
          family.allowedFrom.ip ?? null,
          family.allowedFrom.userAgent ?? null,
          token.issuedTo.userAgent ?? null,
          time(allowedAt),
          events,
        ],
      )
      return { started: row !== undefined, others: row?.others ?? 0 }
    },

    /** The same condition and events for tokens without a family. @returns whether they may be issued */
    async tell(
      tenant: string,
      clientId: string | undefined,
      allowedAt: number | undefined,
      events: string,
      orFail: boolean,
    ): Promise<boolean> {
      const rows = await database.query(
        `with allowed as (select c.tenant_id ${allowed('$2', '$3')}),
         told as (${insertEvents({ tenant: '$1', at: '$4', rows: '$5' }, { behind: 'allowed' })})
         ${outcome('0', 'allowed', orFail)}`,
        [tenant, clientId, time(allowedAt), now(), events],
      )
      return rows.length > 0
    },

    /**
     * Ends the live families of an account at a client past the newest `most`, in one statement. Returns the resource
     * servers of their access tokens where these are known. Families that another transaction has locked, and those
     * beyond the rows of one statement, are left to the next start: a transaction that starts a family has locked its
     * grant and client, and must not wait for another family.
     *
     * The query reads by account first, whatever the statistics say of the client: it may have a million families. It
     * counts before it sorts. `offset 0` makes Postgres look up each token by its family, even while it has no
     * statistics of a new table.
     */
    async endBeyond(
      { tenant, accountId, clientId }: Pick<Family, 'tenant' | 'accountId' | 'clientId'>,
      most: number,
      reason: FamilyEnd,
    ): Promise<Array<{ id: string; audiences: string[] | undefined }>> {
      const rows = await database.query<{ id: string; resource: string | string[] | null }>(
        `with own as materialized (
           select id, client_id, created_at from families
           where tenant_id = $1 and account_id = $2 and ended_at is null and expires_at > $4),
         beyond as (
           select id from families
           where (select count(*) from own where client_id = $3) > $5::bigint
             and tenant_id = $1 and id in (
               select o.id from own o cross join lateral (
                 select 1 from refresh_tokens t
                 where t.tenant_id = $1 and t.family_id = o.id and t.consumed_at is null and t.expires_at > $4
                 offset 0) usable
               where o.client_id = $3
               order by o.created_at desc, o.id offset $5::bigint limit ${mostRows}) for update skip locked),
         ended as (
           update families f set ended_at = $4, ended_reason = $6 from beyond
           where f.tenant_id = $1 and f.id = beyond.id and f.ended_at is null returning f.id),
         forgotten as (
           update refresh_tokens t set answer = null from ended
           where t.tenant_id = $1 and t.family_id = ended.id and t.answer is not null)
         select ended.id, (
           select t.payload->'resource' from refresh_tokens t
           where t.tenant_id = $1 and t.family_id = ended.id and t.consumed_at is null) as resource
         from ended`,
        [tenant, accountId, clientId, now(), most, reason],
      )
      return rows.map(({ id, resource }) => ({
        id,
        audiences: resource === null ? undefined : [resource].flat(),
      }))
    },
  }
}
