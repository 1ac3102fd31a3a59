import { randomUUID } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * Codes that are mailed, and typed where they were asked for. A code is void as soon as one of these is so:
 *
 * | when                                    | what holds it                                                  |
 * |-----------------------------------------|----------------------------------------------------------------|
 * | it was used                             | `used_at`, set by one conditional update                       |
 * | its ten minutes are over                | `expires_at` in the same condition                             |
 * | five were tried against it              | `tries`, taken before anything is compared                     |
 * | there is a later one of the same place  | the primary key: a place has one                               |
 * | it is typed anywhere else               | `binding`: one sign-in of one browser, of one account          |
 * | the address changed, or is unconfirmed  | the account as it is now, in the same condition                |
 *
 * Like the tokens of links it is the MAC of a random id, shortened to digits: whoever delivers the mail can make it, and
 * neither a dump of the database nor the outbox has anything that can be typed (ADR 0014).
 */
export interface EmailCodes {
  /**
   * A new one in place of the one before, but for who asks again too soon: after the first 30 seconds have to pass, then
   * twice as many each time; five are all. None for an account that is disabled or deleted by now. Joins the transaction of
   * this context.
   * @returns its id, which is no secret; undefined when none is sent now
   */
  issue(tenant: string, account: Addressee, binding: string): Promise<string | undefined>
  /** What a mail needs of it; absent when it is void by now. */
  forDelivery(tenant: string, id: string): Promise<{ code: string; email: string } | undefined>
  /** Takes a try, and uses the code up when it is right: true for one caller alone. */
  use(tenant: string, accountId: string, binding: string, code: string): Promise<boolean>
  /** Removes those whose time is over, a batch at a time; returns how many. */
  sweep(): Promise<number>
}

interface Addressee {
  id: string
  email: string
}

/** Seconds that a code is good for. */
export const codeTtl = 600
const mostTries = 5
const mostSent = 5
/** Seconds before a second one; twice as many before the next. */
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

/** What somebody typed, as a code: eight digits, however they are grouped. */
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

  /** 64 of the 256 bits of the MAC: what is left over by the division makes no code likelier. */
  function codeOf(tenant: string, id: string): string {
    const mac = Buffer.from(sealer.mac('email-code', `${tenant} ${id}`), 'base64url')
    return String(mac.readBigUInt64BE() % 10n ** BigInt(digits)).padStart(digits, '0')
  }

  return {
    async issue(tenant, { id: accountId, email }, binding) {
      // Who deletes the account waits, and takes this away with it.
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
