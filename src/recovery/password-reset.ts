import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { ActionTokens } from '../actions/action-tokens.ts'
import { networkOf } from '../attempts/network.ts'
import type { Audit } from '../audit/audit.ts'
import { setBounded } from '../bounded-map.ts'
import { DomainError } from '../errors.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Mail } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Message } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Platform } from '../platform.ts'
import type { Actor, Revocations } from '../revocation/revocation.ts'

/**
 * Password reset by mail (security class C8, ASVS 6.4.3):
 *
 * | state  | event                                                     | next                                  |
 * |--------|-----------------------------------------------------------|---------------------------------------|
 * | –      | requested, for any identifier                             | asked; the response is the same (C10) |
 * | asked  | no such account, account disabled, too many mails         | – (nothing is sent)                   |
 * | asked  | the outbox processes the request                          | mailed; an earlier link is void       |
 * | mailed | the link is opened, any number of times                   | mailed                                |
 * | mailed | the policy refuses the password, or the hash queue is full | mailed, with the reason              |
 * | mailed | an accepted password, the first of several at once        | – (password, sessions, families, notice: one transaction) |
 * | mailed | requested again, used, expired, address or password changed | – (the link is void)                |
 *
 * A reset does not sign in: an account with a second factor still needs it.
 */
export interface PasswordReset {
  /**
   * Requests a reset. Does the same work for every identifier: one look-up of the account, one message to the outbox.
   * @throws DomainError `too_many_requests`
   */
  ask(tenant: string, identifier: string, about: Asked): Promise<void>
  /** The account whose password a valid token would set; does not consume the token. */
  look(tenant: string, token: string): Promise<Account | undefined>
  /** The minimum length of the new password, in characters. */
  minLength(account: Account): Promise<number>
  /**
   * Sets the new password.
   * @returns the account
   * @throws DomainError `action_token_invalid`, `password_policy`, `hash_queue_full`
   */
  reset(
    tenant: string,
    token: string,
    password: string,
    actor: Actor & { language: MailLanguage },
  ): Promise<Account>
}

export interface Asked {
  ip: string
  language: MailLanguage
  /** The cookie of a browser known to the account. Requests from such a browser, or by an operator, come first. */
  knownDevice?: string | undefined
  byOperator?: true
}

/** The outbox message of a request. For an unknown identifier, `account_id` is random. */
const request = z.object({ account_id: z.string(), language: z.enum(['en', 'de']), ip: z.string() })

const kind = 'password_reset'

/**
 * The lanes of waiting requests, processed in parallel: a flood, even from thousands of networks, delays only its own
 * lane. No host has such a name.
 */
const lanes = { known: `${kind} known`, first: `${kind} first`, others: `${kind} others` }
/** Milliseconds after which a request of a network counts as its first again. */
const firstAgain = 600_000
/** Networks that a process remembers. */
const mostNetworks = 50_000

export function createPasswordReset({
  database,
  clock,
  log,
  accounts,
  actionTokens,
  revocations,
  lockouts,
  limiter,
  outbox,
  mail,
  audit,
}: Pick<Platform, 'database' | 'clock' | 'log'> & {
  accounts: Accounts
  actionTokens: ActionTokens
  revocations: Revocations
  lockouts: Lockouts
  limiter: Limiter
  outbox: Outbox
  mail: Mail
  audit: Audit
}): PasswordReset {
  const isVoid = () => new DomainError('action_token_invalid')

  /** The part that differs between accounts; it runs in the background, so that no response time shows it. */
  async function answer({ tenant, payload }: Message): Promise<void> {
    const { account_id: accountId, language, ip } = request.parse(payload)
    const account = await accounts.active(tenant, accountId)
    if (!account) return
    if (!(await limiter.took(tenant, { limit: 'mail_account', subject: accountId }))) {
      // Without the address, repeated lines are equal, so that they are summarised (log-repeats.ts).
      log.warn({ account: accountId, tenant }, 'no further reset is mailed to this account now')
      return
    }
    const tokenId = await actionTokens.issue(tenant, 'reset', account)
    if (tokenId === undefined) return
    await mail.send(tenant, { kind: 'reset', accountId, language, to: { tokenId }, ip })
    await audit.record(tenant, { type: 'account.reset_requested', accountId, ip })
  }

  if (mail.isOn) {
    outbox.deliverWith(kind, {
      deliver: async () => 'delivered',
      // In the transaction that records the delivery: one request issues one token, even if a process dies in between.
      settled: answer,
      // Anonymous callers can add any number of messages, most of them for no account.
      forgets: true,
    })
  }

  /** The time of the last request of each network. */
  const asked = new Map<string, number>()

  function laneOf(
    tenant: string,
    accountId: string,
    { ip, knownDevice, byOperator }: Asked,
  ): string {
    const isKnown = lockouts.devices.findMailed(knownDevice, tenant, accountId) !== undefined
    if (isKnown || byOperator) return lanes.known
    const now = clock.now()
    const network = `${tenant} ${networkOf(ip)}`
    const isFirst = now - (asked.get(network) ?? 0) >= firstAgain
    setBounded(asked, network, now, mostNetworks)
    return isFirst ? lanes.first : lanes.others
  }

  async function look(tenant: string, token: string): Promise<Account | undefined> {
    const proof = await actionTokens.look(tenant, 'reset', token)
    return proof && accounts.active(tenant, proof.accountId)
  }

  return {
    async ask(tenant, identifier, about) {
      const { ip, language } = about
      await limiter.take(tenant, { limit: 'reset_network', subject: networkOf(ip) })
      const account = await accounts.byIdentifier(tenant, identifier)
      // The input is not stored: it may be a password in the wrong field.
      const accountId = account?.id ?? randomUUID()
      const payload = { account_id: accountId, language, ip }
      const destination = laneOf(tenant, accountId, about)
      await outbox.add(tenant, kind, [{ destination, payload }])
    },
    look,
    minLength: ({ tenant, id }) => accounts.minLength(tenant, id),
    async reset(tenant, token, password, { language, ...actor }) {
      const account = await look(tenant, token)
      if (!account) throw isVoid()
      const chosen = await accounts.hashChosen(account, password)
      await database.transaction(async () => {
        // The account is locked first, as in every transaction that ends its sessions, so that nothing of it changes.
        await accounts.lock(tenant, account.id)
        if (!(await actionTokens.use(tenant, 'reset', token))) throw isVoid()
        await accounts.setChosen(account, chosen)
        await revocations.passwordChanged(account, actor)
        await lockouts.unblock(tenant, account.id)
        await mail.send(tenant, {
          kind: 'password_changed',
          accountId: account.id,
          language,
          to: account.email,
          ip: actor.ip,
        })
      })
      return account
    },
  }
}
