import { randomUUID } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { hashOf } from '../secrets/handle.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * Tokens of the links in mails, each for one action and one use (security class C8). A token is void as soon as:
 *
 * | event                                            | enforced by                                       |
 * |--------------------------------------------------|---------------------------------------------------|
 * | it is used                                       | `used_at`, set by one conditional update          |
 * | it expires                                       | `expires_at` in the same condition                |
 * | a later token of its purpose is issued           | the primary key: one per account and purpose      |
 * | the address or the password of the account changes | the current account, in the same condition      |
 * | it is for another address, and the account is signed out everywhere (else) | the same condition      |
 * | the account is disabled                          | the same condition                                |
 * | the account is deleted                           | its row is deleted; a deleted account gets none   |
 * | it is presented for another purpose              | `purpose` in the same condition                   |
 *
 * The token is not random but the MAC of its random id, under a key that is sealed in the database: the process that
 * delivers the mail can compute it repeatedly, and a dump of the database has nothing that can be presented (ADR 0014).
 */
export interface ActionTokens {
  /**
   * Issues a token that replaces any earlier one of its purpose; joins the current transaction.
   * @param email the address that the token is mailed to, and proves
   * @returns the id of the token, which is not secret; undefined if the account is disabled or deleted
   */
  issue(
    tenant: string,
    purpose: Purpose,
    account: { id: string; email: string },
    email?: string,
  ): Promise<string | undefined>
  /** The token and its address, for the mail; undefined if the token is void. */
  forDelivery(tenant: string, id: string): Promise<{ token: string; email: string } | undefined>
  /** What a token proves, if it is valid; does not consume it, since mail scanners open links as well. */
  look(tenant: string, purpose: Purpose, token: string): Promise<Proof | undefined>
  /** Consumes a token: one of several concurrent calls gets the proof. Joins the current transaction. */
  use(tenant: string, purpose: Purpose, token: string): Promise<Proof | undefined>
  /** Deletes an unused token. @returns whether there was one */
  withdraw(tenant: string, purpose: Purpose, accountId: string): Promise<boolean>
  /** Deletes expired tokens in batches. @returns their number */
  sweep(): Promise<number>
}

export type Purpose = 'reset' | 'verification' | 'email_change' | 'email_objection'

/** Proof that the holder of the token reads mail to this address. */
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
      // A concurrent deletion of the account waits for this row, and deletes it too.
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
