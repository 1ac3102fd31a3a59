import type { Accounts } from '../accounts/accounts.ts'
import type { EnrolmentTokens, Listed } from '../actions/enrolment-tokens.ts'
import type { Audit } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import { addressIn } from '../mail/address.ts'
import type { Mail } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Database } from '../storage/database.ts'
import type { Tenants } from '../tenants/tenants.ts'

/**
 * Operators invite people to create an account (`invitation` and `open`). Only the invited address can accept.
 *
 * | state   | event                                                          | next                                |
 * |---------|----------------------------------------------------------------|-------------------------------------|
 * | –       | invited; the tenant is closed, has no mail, or has the account | –, with the reason                  |
 * | –       | invited                                                        | invited; a link to the address      |
 * | invited | invited again                                                  | invited; the earlier link is void   |
 * | invited | revoked, expired, the address now belongs to an account        | – (the link is void)                |
 * | invited | the tenant is closed                                           | invited; no link works while it is closed |
 * | invited | accepted, the first of several at once                         | – (an account: `Enrolment`)         |
 */
export interface Invitations {
  /** @throws DomainError `sign_up_closed`, `mail_off`, `account_exists`, `email_invalid` */
  create(tenant: string, invited: Invited): Promise<Listed>
  /**
   * Pending and recently expired invitations, by address. @param page `after`: the last address of the previous page
   */
  page(tenant: string, page: { after?: string | undefined; limit: number }): Promise<Listed[]>
  find(tenant: string, id: string): Promise<Listed | undefined>
  /** Revokes an invitation. @param id only this one, not one that replaced it @returns whether there was one */
  revoke(tenant: string, email: string, id?: string): Promise<boolean>
}

export interface Invited {
  email: string
  name?: string | undefined
  language: MailLanguage
}

export function createInvitations({
  database,
  tenants,
  accounts,
  enrolmentTokens,
  mail,
  audit,
}: {
  database: Database
  tenants: Tenants
  accounts: Accounts
  enrolmentTokens: EnrolmentTokens
  mail: Mail
  audit: Audit
}): Invitations {
  const kind = 'invitation'

  return {
    async create(tenant, { email: given, name, language }) {
      const email = addressIn(given)
      const { signUp } = (await tenants.find(tenant)) ?? {}
      if (signUp === undefined || signUp.mode === 'closed') {
        throw new DomainError('sign_up_closed', {
          detail: `Tenant ${tenant} does not accept invitations: first apply a file with "sign_up: { mode: invitation }" (or open).`,
        })
      }
      if (!mail.isOn) {
        throw new DomainError('mail_off', {
          detail: 'Invitations are sent by mail, which is not configured: set SMTP_URL.',
        })
      }
      if (await accounts.byIdentifier(tenant, email)) {
        throw new DomainError('account_exists', {
          detail: `${email} already has an account in tenant ${tenant}.`,
        })
      }
      return database.transaction(async () => {
        const id = await enrolmentTokens.issue(tenant, { kind, email, name })
        await mail.send(tenant, { kind, language, to: { enrolmentId: id } })
        await audit.record(tenant, { type: 'invitation.created', detail: { enrolment: id, email } })
        return (await enrolmentTokens.find(tenant, kind, id)) as Listed
      })
    },

    page: (tenant, page) => enrolmentTokens.page(tenant, kind, page),
    find: (tenant, id) => enrolmentTokens.find(tenant, kind, id),

    async revoke(tenant, given, id) {
      const email = addressIn(given)
      return database.transaction(async () => {
        const gone = await enrolmentTokens.withdraw(tenant, kind, email, id)
        if (gone) await audit.record(tenant, { type: 'invitation.revoked', detail: { email } })
        return gone
      })
    },
  }
}
