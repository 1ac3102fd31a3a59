import { randomUUID } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * Codes sent by e-mail and typed where they were requested. A code is void as soon as:
 *
 * | event                                   | enforced by                                                    |
 * |-----------------------------------------|----------------------------------------------------------------|
 * | it is used                              | `used_at`, set by one conditional update                       |
 * | its ten minutes are over                | `expires_at` in the same condition                             |
 * | five guesses were made at it            | `tries`, counted before anything is compared                   |
 * | a later one is issued for the same binding | the primary key: a binding has one                          |
 * | it is typed anywhere else               | `binding`: one sign-in of one browser, of one account          |
 * | the address changes, or is unconfirmed  | the current account, in the same condition                     |
 *
 * Like the tokens of links, a code is the MAC of a random id, shortened to digits: the process that delivers the mail
 * can compute it, and neither a dump of the database nor the outbox has anything that can be typed (ADR 0014).
 */
export interface EmailCodes {
  /**
   * Issues a code that replaces the previous one. A request that comes too soon issues none: the first pause is 30
   * seconds, each further one twice as long, and five codes are the maximum. Nor does a disabled or deleted account get
   * one. Joins the current transaction.
   * @returns the id of the code, which is not secret; undefined if none is sent now
   */
  issue(tenant: string, account: Addressee, binding: string): Promise<string | undefined>
  /** The code and its address, for the mail; undefined if the code is void. */
  forDelivery(tenant: string, id: string): Promise<{ code: string; email: string } | undefined>
  /** Counts a guess, and consumes the code if it is right: true for only one of several concurrent calls. */
  use(tenant: string, accountId: string, binding: string, code: string): Promise<boolean>
  /** Deletes expired codes in batches. @returns their number */
  sweep(): Promise<number>
}

interface Addressee {
  id: string
  email: string
}

/** The lifetime of a code, in seconds. */
export const codeTtl = 600
const mostTries = 5
const mostSent = 5
/** Seconds before a second code is sent; doubled before each further one. */
const pause = 30
const digits = 8

export const EmailCodesTable = table('email_codes', {
  key: ['tenant_id', 'account_id', 'binding'],
  columns: {
    tenant_id: column.text,
    account_id: column.text,
    binding: column.text,
    id: column.text,
    email: column.text,
    sent: column.count,
    tries: column.count,
    sent_at: column.time,
    expires_at: column.time,
    used_at: nullable(column.time),
  },
  references: { account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']] },
  unique: { id: ['tenant_id', 'id'] },
  index: { expires: ['expires_at'] },
})

/** $1 is the tenant, $2 the time. */
const isGood = `c.tenant_id = $1 and c.used_at is null and c.expires_at > $2
  and exists (select 1 from accounts a where a.tenant_id = $1 and a.id = c.account_id
    and a.disabled_at is null and a.email_verified and a.email = c.email)`

/** The code in typed text: eight digits, in any grouping. */
export function emailCodeIn(typed: string): string | undefined {
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '')
  return /^\d{8}$/.test(code) ? code : undefined
}

export function createEmailCodes({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>): EmailCodes {
  const now = () => new Date(clock.now())

  /** 64 of the 256 bits of the MAC, so that the bias of the division is negligible. */
  function codeOf(tenant: string, id: string): string {
    const mac = Buffer.from(sealer.mac('email-code', `${tenant} ${id}`), 'base64url')
    return String(mac.readBigUInt64BE() % 10n ** BigInt(digits)).padStart(digits, '0')
  }

  return {
    async issue(tenant, { id: accountId, email }, binding) {
      // A concurrent deletion of the account waits for this row, and deletes it too.
      const rows = await database.query<{ id: string }>(
        `insert into email_codes as c
           (tenant_id, account_id, binding, id, email, sent, tries, sent_at, expires_at)
         select a.tenant_id, a.id, $3, $4, $5, 1, 0, $6, $7 from accounts a
         where a.tenant_id = $1 and a.id = $2 and a.disabled_at is null for share
         on conflict (tenant_id, account_id, binding) do update set id = excluded.id, email = excluded.email,
           sent = case when c.expires_at <= excluded.sent_at then 1 else c.sent + 1 end, tries = 0,
           sent_at = excluded.sent_at, expires_at = excluded.expires_at, used_at = null
         where c.expires_at <= excluded.sent_at or (c.used_at is null and c.sent < ${mostSent}
           and c.sent_at <= excluded.sent_at - make_interval(secs => ${pause} * power(2, c.sent - 1)))
         returning id`,
        [
          tenant,
          accountId,
          hashOf(binding),
          randomUUID(),
          email,
          now(),
          new Date(clock.now() + codeTtl * 1000),
        ],
      )
      return rows[0]?.id
    },

    async forDelivery(tenant, id) {
      const [row] = await database.query<{ email: string }>(
        `select email from email_codes c where c.id = $3 and ${isGood}`,
        [tenant, now(), id],
      )
      return row && { code: codeOf(tenant, id), email: row.email }
    },

    async use(tenant, accountId, binding, code) {
      const place = [tenant, now(), accountId, hashOf(binding)]
      const [tried] = await database.query<{ id: string }>(
        `with tried as (
           update email_codes c set tries = tries + 1
           where c.account_id = $3 and c.binding = $4 and c.tries < ${mostTries} and ${isGood}
           returning c.id)
         select id from tried`,
        place,
      )
      if (!tried || !equalInConstantTime(codeOf(tenant, tried.id), code)) return false
      const used = await database.execute(
        `update email_codes c set used_at = $2
         where c.account_id = $3 and c.binding = $4 and c.id = $5 and ${isGood}`,
        [...place, tried.id],
      )
      return used === 1
    },

    sweep: () => sweepTable(database, EmailCodesTable, 'expires_at <= $1', clock.now()),
  }
}
