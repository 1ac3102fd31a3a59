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
 * People make accounts for themselves, where a tenant is `open`. Nothing of an account exists before its address is
 * proven: who types the address of somebody else leaves nothing there that this other would meet (pre-hijacking).
 *
 * | state  | event                                                       | next                                 |
 * |--------|-------------------------------------------------------------|--------------------------------------|
 * | –      | asked for, whatever the address                             | asked; the answer is the same (C10)  |
 * | asked  | the tenant is not open by now, the domain is not wanted, too many mails | – (nothing is sent)      |
 * | asked  | the address is of an account                                | – (a notice to the account's address; none when it is disabled) |
 * | asked  | the outbox comes to it                                      | mailed; an earlier link is void      |
 * | mailed | the link is opened, however often                           | mailed                               |
 * | mailed | a name or a password that is refused, or no room to hash it | mailed, with the reason              |
 * | mailed | accepted, the first of many at once                         | – (an account with that address, verified: one transaction; `Enrolment`) |
 * | mailed | asked for again, expired, the address came to be of an account, the tenant closed | – (the link is void) |
 */
export interface SignUps {
  /**
   * The same work whatever the address: one message to ourselves.
   * @throws DomainError `email_invalid`, `too_many_requests`
   */
  ask(tenant: string, address: string, about: AskedBy): Promise<void>
}

export interface AskedBy {
  ip: string
  language: MailLanguage
  /** What the browser's cookie has. */
  browser: string
}

/** A message to ourselves. */
const request = z.object({
  email: z.string(),
  language: z.enum(['en', 'de']),
  ip: z.string(),
  browser: z.string(),
})

const kind = 'sign_up'
/** No host is called so. */
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
  /** Whether one more mail may go to an address because somebody typed it. */
  async function mayMail(tenant: string, email: string): Promise<boolean> {
    const share = { limit: 'sign_up_address', subject: mailboxOf(email) } as const
    if (await limiter.took(tenant, share)) return true
    // Without the address of who asked it is the same line, however many ask (log-repeats.ts).
    log.warn({ tenant }, 'no further sign-up is mailed to this address now')
    return false
  }

  /** The part that differs between addresses, where nobody waits for it. */
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
      // In the transaction that writes down that it is done: one request is one token, whoever dies in between.
      settled: answer,
      // It has an address that may be nobody's here.
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

/** Many addresses are one mailbox: what stands behind a `+` counts for nothing where mail is counted. */
function mailboxOf(email: string): string {
  const at = email.lastIndexOf('@')
  return `${identifierKey(email.slice(0, at).replace(/(?<=.)\+.*$/, ''))}@${domainOf(email)}`
}
