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
 * Codes by e-mail as a second step, for whoever has nothing better. They prove that somebody reads a mailbox, and that
 * mailbox resets the password: with it they are one factor (NIST SP 800-63B-4 §3.1.3.1). Such a sign-in has neither `mfa`
 * nor an `acr`, meets nothing that requires a second factor, and lets no password be shorter.
 *
 * | state | event                                                  | next                                     |
 * |-------|--------------------------------------------------------|------------------------------------------|
 * | off   | the tenant has them, the address is confirmed, and a code that was mailed to it is shown | on |
 * | on    | a sign-in, and there is no other second factor         | a code is asked for                      |
 * | on    | there is another one                                   | that one is asked for; codes by mail are no way round it |
 * | on    | the tenant has them no more                            | on: nobody is asked for less all at once |
 * | on    | the address is changed, with what a sign-in takes      | on, for the new one                      |
 * | on    | its owner, or an operator with all factors             | off                                      |
 */
export interface MailedCodes {
  /** Since when, in milliseconds; undefined when they are off. */
  since(tenant: string, accountId: string): Promise<number | undefined>
  /** Whether an owner may turn them on. */
  offered(account: Account): Promise<boolean>
  /**
   * Mails one, unless it is too soon, there were too many, or the address is not confirmed: nobody is told which.
   * @param binding what it is typed in: a sign-in or a session
   */
  send(account: Account, binding: string, by: Omit<Caller, 'deviceId'>): Promise<void>
  /**
   * Checks one and uses it up. A wrong one counts against the account like a wrong password.
   * @throws Error inside of a transaction: what is rolled back would not count
   */
  check(
    tenant: string,
    accountId: string,
    binding: string,
    typed: string,
    by: Caller,
  ): Promise<boolean>
  /** For whoever has shown a code. Whether anything changed. */
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
  /** Of the installation. */
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
