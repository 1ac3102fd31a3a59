import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { ActionTokens, Purpose } from '../actions/action-tokens.ts'
import type { Audit } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import type { Limiter } from '../limits/limiter.ts'
import { addressIn } from '../mail/address.ts'
import { type Mail, noticeTo } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Actor } from '../revocation/revocation.ts'
import type { Database } from '../storage/database.ts'

/**
 * Verifying and changing the e-mail address of an account (security class C8, ASVS 6.3.7). Only a link mailed to the
 * address concerned takes effect:
 *
 * | state      | event                                            | next                                              |
 * |------------|--------------------------------------------------|---------------------------------------------------|
 * | unverified | the owner asks for verification                  | unverified; a link to the address                 |
 * | unverified | the button on the page of that link              | verified                                          |
 * | any        | the owner asks for another address, freshly signed in | asked; a link to the new one, a warning to the old one |
 * | asked      | the button on the page of the link to the old one | any; the link to the new one is void             |
 * | asked      | the button on the page of the link to the new one | verified, with the new address; both are notified |
 * | asked      | the new address now belongs to another account   | asked; the unique key detects it                  |
 * | asked      | asked again, expired, password changed, signed out everywhere (else), disabled | any                 |
 */
export interface EmailAddresses {
  /** @throws DomainError `too_many_requests`; `account_not_found` when the account is disabled or deleted */
  askVerification(account: Account, by: Owner): Promise<void>
  /** @throws DomainError `email_invalid`, and as above */
  askChange(account: Account, address: string, by: Owner): Promise<void>
  /** What a link would do, for its page; does not consume the token. */
  look(tenant: string, step: Step, token: string): Promise<{ email: string } | undefined>
  /**
   * Does what the link is for. @throws DomainError `action_token_invalid`; `account_exists` when another account has
   * the address
   */
  take(tenant: string, step: Step, token: string, by: Owner): Promise<void>
}

export type Step = Extract<Purpose, 'verification' | 'email_change' | 'email_objection'>

export type Owner = Actor & { language: MailLanguage }

export function createEmailAddresses({
  database,
  accounts,
  actionTokens,
  limiter,
  mail,
  audit,
}: {
  database: Database
  accounts: Accounts
  actionTokens: ActionTokens
  limiter: Limiter
  mail: Mail
  audit: Audit
}): EmailAddresses {
  // Separate from the limit of mails that anonymous callers can cause, so that they cannot use it up.
  const mayMail = ({ tenant, id }: Account) =>
    limiter.take(tenant, { limit: 'mail_account', subject: `signed in ${id}` })

  /** What each link does, once its token is used. */
  const takes: Record<Step, (account: Account, email: string, by: Owner) => Promise<void>> = {
    async verification({ tenant, id: accountId }, email, { ip, userAgent }) {
      await accounts.verifyEmail(tenant, accountId, email)
      await audit.record(tenant, { type: 'account.email_verified', accountId, ip, userAgent })
    },
    async email_change(account, email, { language, ip, userAgent }) {
      const { tenant, id: accountId } = account
      await accounts.changeEmail(account, email)
      await actionTokens.withdraw(tenant, 'email_objection', accountId)
      for (const owner of [account, { email, emailVerified: true }]) {
        const about = { accountId, language, ...noticeTo(owner, ip), address: email }
        await mail.send(tenant, { kind: 'email_changed', ...about })
      }
      const detail = { from: account.email, to: email }
      await audit.record(tenant, {
        type: 'account.email_changed',
        accountId,
        ip,
        userAgent,
        detail,
      })
    },
    async email_objection({ tenant, id: accountId }, _email, { ip, userAgent }) {
      await actionTokens.withdraw(tenant, 'email_change', accountId)
      await audit.record(tenant, { type: 'account.email_objected', accountId, ip, userAgent })
    },
  }

  /** @throws DomainError `account_not_found` when the account is disabled or deleted */
  async function issue(step: Step, account: Account, address?: string): Promise<string> {
    const tokenId = await actionTokens.issue(account.tenant, step, account, address)
    if (tokenId !== undefined) return tokenId
    throw new DomainError('account_not_found', { detail: { account_id: account.id } })
  }

  return {
    async askVerification(account, { language, ip }) {
      await mayMail(account)
      const { tenant, id: accountId } = account
      await database.transaction(async () => {
        const tokenId = await issue('verification', account)
        await mail.send(tenant, { kind: 'verification', accountId, language, to: { tokenId }, ip })
      })
    },

    async askChange(account, given, { language, ip, userAgent }) {
      const address = addressIn(given)
      await mayMail(account)
      const { tenant, id: accountId } = account
      const about = { accountId, language, ip }
      // Nobody may learn here whether the new address belongs to an account (C10).
      await database.transaction(async () => {
        const change = await issue('email_change', account, address)
        const objection = await issue('email_objection', account)
        await mail.send(tenant, { kind: 'email_change', to: { tokenId: change }, ...about })
        await mail.send(tenant, {
          kind: 'email_changing',
          ...about,
          ...noticeTo(account, ip),
          to: { tokenId: objection },
          address,
        })
        const detail = { from: account.email, to: address }
        const type = 'account.email_change_requested'
        await audit.record(tenant, { type, accountId, ip, userAgent, detail })
      })
    },

    look: (tenant, step, token) => actionTokens.look(tenant, step, token),

    async take(tenant, step, token, by) {
      const isVoid = () => new DomainError('action_token_invalid')
      const proof = await actionTokens.look(tenant, step, token)
      if (!proof) throw isVoid()
      await database.transaction(async () => {
        await accounts.lock(tenant, proof.accountId)
        const used = await actionTokens.use(tenant, step, token)
        const account = used && (await accounts.active(tenant, used.accountId))
        if (!used || !account) throw isVoid()
        await takes[step](account, used.email, by)
      })
    },
  }
}
