import { z } from 'zod'
import { identifierKey } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { EnrolmentTokens } from '../actions/enrolment-tokens.ts'
import { networkOf } from '../attempts/network.ts'
import type { Audit } from '../audit/audit.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Log } from '../log.ts'
import { addressIn } from '../mail/address.ts'
import type { Mail } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Message } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { hashOf } from '../secrets/handle.ts'
import { domainOf } from '../tenants/tenant.ts'
import type { Tenants } from '../tenants/tenants.ts'

/**
 * Self-service sign-up, in tenants whose mode is `open`. No part of an account is stored before its address is proven:
 * somebody who types another person's address leaves nothing that this person would find later (pre-hijacking).
 *
 * | state  | event                                                       | next                                 |
 * |--------|-------------------------------------------------------------|--------------------------------------|
 * | –      | requested, for any address                                  | asked; the response is the same (C10) |
 * | asked  | the tenant is no longer open, the domain is not allowed, too many mails | – (nothing is sent)      |
 * | asked  | the address belongs to an account                           | – (a notice to the account's address; none if it is disabled) |
 * | asked  | the outbox processes the request                            | mailed; an earlier link is void      |
 * | mailed | the link is opened, any number of times                     | mailed                               |
 * | mailed | a name or password is refused, or the hash queue is full    | mailed, with the reason              |
 * | mailed | accepted, the first of several at once                      | – (an account with that address, verified: one transaction; `Enrolment`) |
 * | mailed | requested again, expired, the address now belongs to an account, the tenant closed | – (the link is void) |
 */
export interface SignUps {
  /**
   * Requests a sign-up. Does the same work for every address: one message to the outbox.
   * @throws DomainError `email_invalid`, `too_many_requests`
   */
  ask(tenant: string, address: string, about: AskedBy): Promise<void>
}

export interface AskedBy {
  ip: string
  language: MailLanguage
  /** The value of the browser's cookie. */
  browser: string
}

/** The outbox message of a request. */
const request = z.object({
  email: z.string(),
  language: z.enum(['en', 'de']),
  ip: z.string(),
  browser: z.string(),
})

const kind = 'sign_up'
/** No host has such a name. */
const destination = `${kind} requests`

export function createSignUps({
  log,
  tenants,
  accounts,
  enrolmentTokens,
  limiter,
  outbox,
  mail,
  audit,
}: {
  log: Log
  tenants: Tenants
  accounts: Accounts
  enrolmentTokens: EnrolmentTokens
  limiter: Limiter
  outbox: Outbox
  mail: Mail
  audit: Audit
}): SignUps {
  /** Whether an address may get another mail caused by somebody typing it. */
  async function mayMail(tenant: string, email: string): Promise<boolean> {
    const share = { limit: 'sign_up_address', subject: mailboxOf(email) } as const
    if (await limiter.took(tenant, share)) return true
    // Without the caller's address, repeated lines are equal, so that they are summarised (log-repeats.ts).
    log.warn({ tenant }, 'no further sign-up is mailed to this address now')
    return false
  }

  /** The part that differs between addresses; it runs in the background, so that no response time shows it. */
  async function answer({ tenant, payload }: Message): Promise<void> {
    const { email, language, ip, browser } = request.parse(payload)
    const signUp = (await tenants.find(tenant))?.signUp
    const { mode, domains } = signUp ?? { mode: 'closed', domains: [] }
    if (mode !== 'open') return
    if (domains.length > 0 && !domains.includes(domainOf(email))) return
    if (!(await mayMail(tenant, email))) return
    const account = await accounts.byIdentifier(tenant, email)
    const type = 'account.sign_up_requested'
    if (account) {
      if (account.disabled) return
      const { id: accountId, email: to } = account
      await mail.send(tenant, { kind: 'sign_up_known', accountId, language, to, ip })
      await audit.record(tenant, { type, accountId, ip })
      return
    }
    const enrolmentId = await enrolmentTokens.issue(tenant, { kind, email, browser })
    await mail.send(tenant, { kind: 'sign_up', language, to: { enrolmentId }, ip })
    await audit.record(tenant, { type, ip, detail: { enrolment: enrolmentId } })
  }

  if (mail.isOn) {
    outbox.deliverWith(kind, {
      deliver: async () => 'delivered',
      // In the transaction that records the delivery: one request issues one token, even if a process dies in between.
      settled: answer,
      // The message has an address that may belong to nobody here.
      forgets: true,
    })
  }

  return {
    async ask(tenant, given, { ip, language, browser }) {
      const email = addressIn(given)
      await limiter.take(
        tenant,
        { limit: 'sign_up_network', subject: networkOf(ip) },
        { limit: 'sign_up_tenant', subject: tenant },
      )
      const payload = { email, language, ip, browser: hashOf(browser) }
      await outbox.add(tenant, kind, [{ destination, payload }])
    },
  }
}

/** Many addresses may be one mailbox: for limits on mail, the part after a `+` is ignored. */
function mailboxOf(email: string): string {
  const at = email.lastIndexOf('@')
  return `${identifierKey(email.slice(0, at).replace(/(?<=.)\+.*$/, ''))}@${domainOf(email)}`
}
