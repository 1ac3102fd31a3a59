import { insertEvents } from '../audit/event.ts'
import type { Clock } from '../clock.ts'
import { mostRows } from '../storage/chunks.ts'
import type { Database } from '../storage/database.ts'
import type { NewToken } from './family.store.ts'
import type { Family, FamilyEnd } from './family.ts'

/** What comes of a family that starts, or does not. */
export interface Start {
  started: boolean
  /** The families that its account had at its client before. */
  others: number
}

/**
 * The client is enabled and stays so until the transaction ends: whoever disables it waits. What was allowed before it
 * was disabled and enabled again is void; a transaction that had to wait for that sees it here, as it holds the row by
 * now.
 */
const allowed = (client: string, allowedAt: string) => `
  from clients c
  where c.tenant_id = $1 and c.client_id = ${client} and c.disabled_at is null and not exists (
    select 1 from denials d where d.tenant_id = $1 and d.kind = 'client' and d.subject = ${client}
      and d.not_before >= ${allowedAt}) for share of c`

/**
 * One row if `written` has one. If it has none: no row, or the error of `isNothingWritten`, which undoes what went
 * before.
 */
const outcome = (value: string, written: string, orFail: boolean) =>
  orFail
    ? `select ${value} / (select count(*) from ${written})::int as others`
    : `select ${value} as others from ${written}`

const time = (seconds: number | undefined) =>
  seconds === undefined ? null : new Date(seconds * 1000)

/** How a family starts, and which ones end where there are too many. */
export function createFamilyStart({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  return {
    /**
     * @param allowedAt seconds since the epoch
     * @param events rows of `Audit.rows`, which are written if it starts
     * @param orFail whether it is an error if it does not
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

    /** The same for tokens without a family: whether they may be. */
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
     * Ends the living families of an account at a client past the newest `most`, in one statement; with the resource
     * servers that their access tokens can be for, where that is known. What is more than a statement writes, and one that
     * somebody holds, is left to the next start: who starts a family holds its grant and client, and must not wait for another family.
     * Read by the account first, however few the statistics say that a client has: it may have a million. Whether there
     * are so many at all is asked first, without sorting them. Each one's token is looked up by its family (`offset 0`
     * keeps Postgres from turning that round while a table is too new to be known).
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
