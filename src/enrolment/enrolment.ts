import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { EnrolmentTokens, Issued } from '../actions/enrolment-tokens.ts'
import type { Audit } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import { hashOf } from '../secrets/handle.ts'
import type { Database } from '../storage/database.ts'

/**
 * Creating an account by a mailed link, for `SignUps` and `Invitations`: the holder of the link reads mail to the
 * address.
 */
export interface Enrolment {
  /** The account that a valid token would create; does not consume the token. */
  look(tenant: string, token: string): Promise<Issued | undefined>
  /** The minimum length of the password, in characters. */
  minLength(tenant: string): Promise<number>
  /**
   * Creates the account and consumes the token, in one transaction.
   * @throws DomainError `action_token_invalid`; `account_exists` when the address belongs to an account by then;
   *   `password_policy`, `hash_queue_full`
   */
  finish(tenant: string, token: string, chosen: Chosen): Promise<Finished>
}

export interface Chosen {
  name?: string | undefined
  password: string
  /** The value of this browser's cookie. */
  browser?: string | undefined
  ip: string
  userAgent?: string | undefined
}

export interface Finished {
  account: Account
  /**
   * Whether the link was opened in the browser that requested it: another browser must not be signed in where that one
   * began.
   */
  sameBrowser: boolean
}

export function createEnrolment({
  database,
  accounts,
  enrolmentTokens,
  audit,
}: {
  database: Database
  accounts: Accounts
  enrolmentTokens: EnrolmentTokens
  audit: Audit
}): Enrolment {
  return {
    look: (tenant, token) => enrolmentTokens.look(tenant, token),
    minLength: (tenant) => accounts.minLength(tenant, undefined),

    async finish(tenant, token, { name, password, browser, ip, userAgent }) {
      const isVoid = () => new DomainError('action_token_invalid')
      const found = await enrolmentTokens.look(tenant, token)
      if (!found) throw isVoid()
      const chosen = await accounts.hashChosen({ tenant, email: found.email, name }, password)
      return database.transaction(async () => {
        await enrolmentTokens.lock(tenant, token)
        const used = await enrolmentTokens.use(tenant, token)
        if (!used) throw isVoid()
        const { id: enrolment, email, kind } = used
        const account = await accounts.enrol(tenant, { email, name, emailVerified: true }, chosen)
        const event = { type: 'account.signed_up', accountId: account.id, ip, userAgent } as const
        await audit.record(tenant, { ...event, detail: { enrolment, by: kind } })
        const asked = used.browser
        return {
          account,
          sameBrowser: browser !== undefined && asked !== undefined && hashOf(browser) === asked,
        }
      })
    },
  }
}
