import type { Account } from '../accounts/account.ts'
import { type EmailCodes, emailCodeIn } from '../actions/email-codes.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Mail } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Database } from '../storage/database.ts'
import type { Tenants } from '../tenants/tenants.ts'
import type { Caller } from './factors.ts'
import { createMailedCodeStore } from './mailed-code.store.ts'
import type { Actor, FactorTrail } from './trail.ts'

/**
 * Codes by e-mail as a second step, for accounts without a second factor. They prove access to a mailbox, which can
 * also reset the password: together they are one factor (NIST SP 800-63B-4 §3.1.3.1). Such a sign-in has neither `mfa`
 * nor an `acr`, satisfies no requirement of a second factor, and permits no shorter password.
 *
 * | state | event                                                       | next                                    |
 * |-------|-------------------------------------------------------------|-----------------------------------------|
 * | off   | offered by the tenant, address verified, mailed code shown  | on                                      |
 * | on    | a sign-in, without another second factor                    | a code is required                      |
 * | on    | a sign-in, with another one                                 | that one is required, not a mailed code |
 * | on    | the tenant stops offering them                              | on: no account suddenly needs less      |
 * | on    | the address is changed, with all that a sign-in requires    | on, for the new address                 |
 * | on    | turned off by its owner, or by an operator with all factors | off                                     |
 */
export interface MailedCodes {
  /** Since when, in milliseconds; undefined when off. */
  since(tenant: string, accountId: string): Promise<number | undefined>
  /** Whether an owner may turn them on. */
  offered(account: Account): Promise<boolean>
  /**
   * Mails a code, unless it is too soon, there were too many, or the address is not verified; the caller does not learn
   * which.
   * @param binding where it will be typed: a sign-in or a session
   */
  send(account: Account, binding: string, by: Omit<Caller, 'deviceId'>): Promise<void>
  /**
   * Checks a code and consumes it. A wrong one counts against the account like a wrong password.
   * @throws Error inside of a transaction: what is rolled back would not count
   */
  check(
    tenant: string,
    accountId: string,
    binding: string,
    typed: string,
    by: Caller,
  ): Promise<boolean>
  /** Turns them on, for an owner who has shown a code. @returns whether anything changed */
  turnOn(account: Account, by: Actor): Promise<boolean>
  /** Whether anything changed. */
  turnOff(tenant: string, accountId: string, by: Actor): Promise<boolean>
}

interface Dependencies {
  database: Database
  clock: { now(): number }
  emailCodes: EmailCodes
  limiter: Limiter
  lockouts: Lockouts
  mail: Mail
  tenants: Tenants
  trail: FactorTrail
  /** Language of the installation. */
  language: MailLanguage
}

const detail = { factor: 'email', kind: 'email' }

export function createMailedCodes(deps: Dependencies): MailedCodes {
  const { database, emailCodes, limiter, lockouts, mail, tenants, trail, language } = deps
  const store = createMailedCodeStore(deps)

  return {
    since: store.since,
    async offered({ tenant, emailVerified }) {
      return mail.isOn && emailVerified && (await tenants.find(tenant))?.emailCodes === true
    },

    async send(account, binding, by) {
      const { tenant, id: accountId, emailVerified } = account
      const share = { limit: 'email_code_account', subject: accountId } as const
      if (!emailVerified || !(await limiter.took(tenant, share))) return
      await database.transaction(async () => {
        const codeId = await emailCodes.issue(tenant, account, binding)
        if (codeId === undefined) return
        const to = { codeId }
        const about = { accountId, language: by.language ?? language, ip: by.ip }
        await mail.send(tenant, { kind: 'email_code', to, ...about })
      })
    },

    async check(tenant, accountId, binding, typed, { ip, deviceId }) {
      const code = emailCodeIn(typed)
      const outcome = await lockouts.guess(
        tenant,
        { owner: { accountId }, deviceId, ip },
        async (may) =>
          may && code !== undefined && emailCodes.use(tenant, accountId, binding, code),
      )
      return outcome === 'right'
    },

    turnOn: ({ tenant, id: accountId, email }, by) =>
      database.transaction(async () => {
        if (!(await store.turnOn(tenant, accountId, email))) return false
        await trail.record(tenant, { type: 'account.factor_added', accountId, detail }, by)
        return true
      }),

    turnOff: (tenant, accountId, by) =>
      database.transaction(async () => {
        if (!(await store.turnOff(tenant, accountId))) return false
        const event = { type: 'account.factor_removed', accountId, detail } as const
        await trail.record(tenant, event, by)
        return true
      }),
  }
}
