import { randomUUID } from 'node:crypto'
import { identifierKey } from '../accounts/account.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { hashOf } from '../secrets/handle.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import { domainOf } from '../tenants/tenant.ts'

/**
 * Tokens of links mailed to people without an account. A token proves that its holder reads mail to an address, and
 * creates an account for it, once (security class C8). Nothing of an account is stored before. A token is void as soon
 * as:
 *
 * | event                                             | enforced by                                      |
 * |---------------------------------------------------|--------------------------------------------------|
 * | it is used or withdrawn                           | its row is deleted, by one conditional delete    |
 * | it expires                                        | `expires_at` in the same condition               |
 * | a later one of its kind is issued for the address, | the primary key: one per address and kind       |
 * | in any spelling                                   |                                                  |
 * | the address belongs to an account                 | the accounts, in the same condition; their unique key |
 * | the tenant is disabled, or no longer allows this kind | the current tenant, in the same condition    |
 *
 * Like the other tokens in mails, it is the MAC of its random id (ADR 0014).
 */
export interface EnrolmentTokens {
  /**
   * Issues a token that replaces any earlier one of its kind for this address; joins the current transaction.
   * @returns the id of the token, which is not secret
   */
  issue(tenant: string, enrolment: Enrolment): Promise<string>
  /** What the mail needs of a token; undefined if the token is void. */
  forDelivery(tenant: string, id: string): Promise<Delivery | undefined>
  /** What a token is for, if it is valid; does not consume it, since mail scanners open links as well. */
  look(tenant: string, token: string): Promise<Issued | undefined>
  /** Locks all tokens of the address of a token, so that no other is used concurrently. */
  lock(tenant: string, token: string): Promise<void>
  /** Consumes a token and all others of its address: one of several concurrent calls gets it. Joins the transaction. */
  use(tenant: string, token: string): Promise<Issued | undefined>
  /** The tokens of a kind, expired or not, by address. @param page `after`: the last address of the previous page */
  page(
    tenant: string,
    kind: EnrolmentKind,
    page: { after?: string | undefined; limit: number },
  ): Promise<Listed[]>
  /** Finds a token by its id. */
  find(tenant: string, kind: EnrolmentKind, id: string): Promise<Listed | undefined>
  /** Deletes a token. @param id only the token with this id @returns whether there was one */
  withdraw(tenant: string, kind: EnrolmentKind, email: string, id?: string): Promise<boolean>
  /** Deletes expired tokens in batches. @returns their number */
  sweep(): Promise<number>
}

export type EnrolmentKind = 'sign_up' | 'invitation'

export interface Enrolment {
  kind: EnrolmentKind
  email: string
  /** The name that the inviting operator gave the person. */
  name?: string | undefined
  /** The hash of the cookie of the browser that made the request. */
  browser?: string | undefined
}

export type Issued = Enrolment & { id: string }

export interface Delivery {
  token: string
  email: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** Times in milliseconds since the epoch. */
export type Listed = Issued & { createdAt: number; expiresAt: number }

export const EnrolmentsTable = table('enrolments', {
  key: ['tenant_id', 'kind', 'email_key'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    email_key: column.text,
    id: column.text,
    hash: column.text,
    email: column.text,
    domain: column.text,
    name: nullable(column.text),
    browser: nullable(column.text),
    created_at: column.time,
    expires_at: column.time,
  },
  references: { tenant: ofTenant },
  unique: { hash: ['tenant_id', 'hash'] },
  check: ['kind'],
  index: { expires: ['expires_at'] },
})

/** $1 is the tenant, $2 the time. */
const isGood = `e.tenant_id = $1 and e.expires_at > $2
  and exists (select 1 from tenants t where t.id = $1 and t.disabled_at is null and case e.kind
    when 'invitation' then t.sign_up <> 'closed'
    else t.sign_up = 'open' and (t.sign_up_domains = '{}' or e.domain = any(t.sign_up_domains)) end)
  and not exists (select 1 from accounts a where a.tenant_id = $1 and a.email_key = e.email_key)`

interface Row {
  id: string
  kind: EnrolmentKind
  email: string
  name: string | null
  browser: string | null
  created_at: Date
  expires_at: Date
}

const columns = 'e.id, e.kind, e.email, e.name, e.browser, e.created_at, e.expires_at'

const toIssued = ({ id, kind, email, name, browser }: Row): Issued => ({
  id,
  kind,
  email,
  ...present({ name, browser }),
})

const toListed = (row: Row): Listed => ({
  ...toIssued(row),
  createdAt: row.created_at.getTime(),
  expiresAt: row.expires_at.getTime(),
})

export function createEnrolmentTokens({
  database,
  clock,
  sealer,
  ttl,
}: Pick<Platform, 'database' | 'clock' | 'sealer'> & {
  /** Seconds. */
  ttl: Record<EnrolmentKind, number>
}): EnrolmentTokens {
  const tokenOf = (tenant: string, id: string) => sealer.mac('enrolment-token', `${tenant} ${id}`)
  const now = () => new Date(clock.now())

  return {
    async issue(tenant, { kind, email, name, browser }) {
      const id = randomUUID()
      await database.execute(
        `insert into enrolments
           (tenant_id, kind, email_key, id, hash, email, domain, name, browser, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (tenant_id, kind, email_key) do update set id = excluded.id, hash = excluded.hash,
           email = excluded.email, domain = excluded.domain, name = excluded.name, browser = excluded.browser,
           created_at = excluded.created_at, expires_at = excluded.expires_at`,
        [
          tenant,
          kind,
          identifierKey(email),
          id,
          hashOf(tokenOf(tenant, id)),
          email,
          domainOf(email),
          name ?? null,
          browser ?? null,
          now(),
          new Date(clock.now() + ttl[kind] * 1000),
        ],
      )
      return id
    },

    async forDelivery(tenant, id) {
      const [row] = await database.query<Row>(
        `select ${columns} from enrolments e where e.hash = $3 and ${isGood}`,
        [tenant, now(), hashOf(tokenOf(tenant, id))],
      )
      if (!row) return undefined
      return {
        token: tokenOf(tenant, id),
        email: row.email,
        expiresAt: row.expires_at.getTime(),
      }
    },

    async look(tenant, token) {
      const [row] = await database.query<Row>(
        `select ${columns} from enrolments e where e.hash = $3 and ${isGood}`,
        [tenant, now(), hashOf(token)],
      )
      return row && toIssued(row)
    },

    async lock(tenant, token) {
      // In a fixed order, so that two links of one address cannot deadlock.
      await database.query(
        `select 1 from enrolments where tenant_id = $1 and email_key =
           (select email_key from enrolments where tenant_id = $1 and hash = $2) order by kind for update`,
        [tenant, hashOf(token)],
      )
    },

    async use(tenant, token) {
      const [row] = await database.query<Row & { email_key: string }>(
        `with used as (delete from enrolments e where e.hash = $3 and ${isGood}
           returning ${columns}, e.email_key)
         select * from used`,
        [tenant, now(), hashOf(token)],
      )
      if (!row) return undefined
      await database.execute('delete from enrolments where tenant_id = $1 and email_key = $2', [
        tenant,
        row.email_key,
      ])
      return toIssued(row)
    },

    async page(tenant, kind, { after, limit }) {
      const rows = await database.query<Row>(
        `select ${columns} from enrolments e
         where e.tenant_id = $1 and e.kind = $2 and e.email_key > $3 order by e.email_key limit $4`,
        [tenant, kind, after === undefined ? '' : identifierKey(after), limit],
      )
      return rows.map(toListed)
    },

    async find(tenant, kind, id) {
      // By the indexed column; an id has one hash.
      const [row] = await database.query<Row>(
        `select ${columns} from enrolments e where e.tenant_id = $1 and e.hash = $2 and e.kind = $3`,
        [tenant, hashOf(tokenOf(tenant, id)), kind],
      )
      return row && toListed(row)
    },

    async withdraw(tenant, kind, email, id) {
      const gone = await database.execute(
        `delete from enrolments where tenant_id = $1 and kind = $2 and email_key = $3
           and ($4::text is null or id = $4)`,
        [tenant, kind, identifierKey(email), id ?? null],
      )
      return gone > 0
    },

    sweep: () => sweepTable(database, EnrolmentsTable, 'expires_at <= $1', clock.now()),
  }
}
