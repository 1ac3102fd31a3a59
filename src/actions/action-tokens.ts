import { randomUUID } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { hashOf } from '../secrets/handle.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * What a link in a mail allows its owner to do, once (security class C8). A token is void as soon as one of these is so:
 *
 * | when                                             | what holds it                                     |
 * |--------------------------------------------------|---------------------------------------------------|
 * | it was used                                      | `used_at`, set by one conditional update          |
 * | its time is over                                 | `expires_at` in the same condition                |
 * | there is a later one of its purpose              | the primary key: an account has one of each       |
 * | the address or the password of the account changed | the account as it is now, in the same condition |
 * | it is for another address, and the account was signed out everywhere (else) since | the same condition |
 * | the account is disabled                          | the same condition                                |
 * | the account is deleted                           | its row is gone; none is made for who is no more  |
 * | it is shown where another purpose is asked for   | `purpose` in the same condition                   |
 *
 * The token is not random but the MAC of its random id, under a key that is sealed in the database: whoever delivers
 * the mail can make it, again and again, and a dump of the database has nothing that can be presented (ADR 0014).
 */
export interface ActionTokens {
  /**
   * A new one in place of any earlier of its purpose; joins the transaction of this context.
   * @param email whom it is mailed to, which is what it proves
   * @returns its id, which is no secret; undefined when the account is disabled or deleted by now
   */
  issue(
    tenant: string,
    purpose: Purpose,
    account: { id: string; email: string },
    email?: string,
  ): Promise<string | undefined>
  /** What a mail needs of it; absent when it is void by now. */
  forDelivery(tenant: string, id: string): Promise<{ token: string; email: string } | undefined>
  /** Whether a token would be taken now, and for whom; consumes nothing, as programs open links, too. */
  look(tenant: string, purpose: Purpose, token: string): Promise<Proof | undefined>
  /** Consumes it; of many at once one gets the proof. Joins the transaction of what it allows. */
  use(tenant: string, purpose: Purpose, token: string): Promise<Proof | undefined>
  /** Makes one void. */
  withdraw(tenant: string, purpose: Purpose, accountId: string): Promise<boolean>
  /** Removes those whose time is over, a batch at a time; returns how many. */
  sweep(): Promise<number>
}

export type Purpose = 'reset' | 'verification' | 'email_change' | 'email_objection'

/** That whoever has the token reads what is sent to this address. */
export interface Proof {
  accountId: string
  email: string
}

export const ActionTokensTable = table('action_tokens', {
  key: ['tenant_id', 'account_id', 'purpose'],
  columns: {
    tenant_id: column.text,
    account_id: column.text,
    purpose: column.text,
    id: column.text,
    hash: column.text,
    email: column.text,
    account_email: column.text,
    created_at: column.time,
    expires_at: column.time,
    used_at: nullable(column.time),
  },
  references: { account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']] },
  unique: { hash: ['tenant_id', 'hash'] },
  index: { expires: ['expires_at'], id: ['tenant_id', 'id'] },
})

/** $1 is the tenant, $2 the time. */
const isGood = `t.tenant_id = $1 and t.used_at is null and t.expires_at > $2
  and exists (select 1 from accounts a where a.tenant_id = $1 and a.id = t.account_id
    and a.disabled_at is null and a.email = t.account_email
    and (t.purpose <> 'email_change' or a.sign_ins_not_before is null or a.sign_ins_not_before < t.created_at))
  and not exists (select 1 from passwords p where p.tenant_id = $1 and p.account_id = t.account_id
    and p.changed_at > t.created_at)`

interface Row {
  account_id: string
  email: string
}

export function createActionTokens({
  database,
  clock,
  sealer,
  ttl,
}: Pick<Platform, 'database' | 'clock' | 'sealer'> & {
  /** Seconds. */
  ttl: number
}): ActionTokens {
  const tokenOf = (tenant: string, id: string) => sealer.mac('action-token', `${tenant} ${id}`)
  const now = () => new Date(clock.now())
  const proofOf = (rows: Row[]) =>
    rows[0] && { accountId: rows[0].account_id, email: rows[0].email }

  return {
    async issue(tenant, purpose, account, email = account.email) {
      const id = randomUUID()
      // Who deletes the account waits, and takes this away with it.
      const issued = await database.execute(
        `insert into action_tokens
           (tenant_id, account_id, purpose, id, hash, email, account_email, created_at, expires_at)
         select a.tenant_id, a.id, $3, $4, $5, $6, $7, $8, $9 from accounts a
         where a.tenant_id = $1 and a.id = $2 and a.disabled_at is null for share
         on conflict (tenant_id, account_id, purpose) do update set id = excluded.id, hash = excluded.hash,
           email = excluded.email, account_email = excluded.account_email, created_at = excluded.created_at,
           expires_at = excluded.expires_at, used_at = null`,
        [
          tenant,
          account.id,
          purpose,
          id,
          hashOf(tokenOf(tenant, id)),
          email,
          account.email,
          now(),
          new Date(clock.now() + ttl * 1000),
        ],
      )
      return issued > 0 ? id : undefined
    },

    async forDelivery(tenant, id) {
      const [row] = await database.query<Row>(
        `select account_id, email from action_tokens t where t.id = $3 and ${isGood}`,
        [tenant, now(), id],
      )
      return row && { token: tokenOf(tenant, id), email: row.email }
    },

    async look(tenant, purpose, token) {
      const found = await database.query<Row>(
        `select account_id, email from action_tokens t
         where t.hash = $3 and t.purpose = $4 and ${isGood}`,
        [tenant, now(), hashOf(token), purpose],
      )
      return proofOf(found)
    },

    async use(tenant, purpose, token) {
      const used = await database.query<Row>(
        `with used as (
           update action_tokens t set used_at = $2 where t.hash = $3 and t.purpose = $4 and ${isGood}
           returning t.account_id, t.email)
         select * from used`,
        [tenant, now(), hashOf(token), purpose],
      )
      return proofOf(used)
    },

    async withdraw(tenant, purpose, accountId) {
      const gone = await database.execute(
        'delete from action_tokens where tenant_id = $1 and purpose = $2 and account_id = $3 and used_at is null',
        [tenant, purpose, accountId],
      )
      return gone > 0
    },

    sweep: () => sweepTable(database, ActionTokensTable, 'expires_at <= $1', clock.now()),
  }
}
