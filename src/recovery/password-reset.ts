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
 * A new password for whoever reads the mail of an account (security class C8, ASVS 6.4.3):
 *
 * | state  | event                                                     | next                                  |
 * |--------|-----------------------------------------------------------|---------------------------------------|
 * | –      | asked for, whoever is meant                               | asked; the answer is the same (C10)   |
 * | asked  | nobody is meant, disabled, too many mails                 | – (nothing is sent)                   |
 * | asked  | the outbox comes to it                                    | mailed; an earlier link is void       |
 * | mailed | the link is opened, however often                         | mailed                                |
 * | mailed | a password that the policy refuses, or no room to hash it | mailed, with the reason               |
 * | mailed | an accepted password, the first of many at once           | – (password, sessions, families, notice: one transaction) |
 * | mailed | asked for again, used, expired, address or password changed | – (the link is void)                |
 *
 * Nobody is signed in by it: whoever has a second factor is asked for it as ever.
 */
export interface PasswordReset {
  /**
   * The same work whoever is meant: one look at the account, one message to ourselves.
   * @throws DomainError `too_many_requests`
   */
  ask(tenant: string, identifier: string, about: Asked): Promise<void>
  /** Whose password a token would set now; consumes nothing. */
  look(tenant: string, token: string): Promise<Account | undefined>
  /** Characters that its new password has at least. */
  minLength(account: Account): Promise<number>
  /**
   * @returns whose it is now
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
  /** Who comes before strangers: whoever has the cookie of a browser that is known to the account, or an operator. */
  knownDevice?: string | undefined
  byOperator?: true
}

/** A message to ourselves. Whom it means was looked up already; a stranger's id belongs to nobody. */
const request = z.object({ account_id: z.string(), language: z.enum(['en', 'de']), ip: z.string() })

const kind = 'password_reset'

/**
 * Where requests wait, each lane being worked on beside the others: a flood, even from thousands of networks, waits behind
 * itself. No host is called so.
 */
const lanes = { known: `${kind} known`, first: `${kind} first`, others: `${kind} others` }
/** Milliseconds after which a network comes first again. */
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

  /** The part that differs between people, where nobody waits for it. */
  async function answer({ tenant, payload }: Message): Promise<void> {
    const { account_id: accountId, language, ip } = request.parse(payload)
    const account = await accounts.active(tenant, accountId)
    if (!account) return
    if (!(await limiter.took(tenant, { limit: 'mail_account', subject: accountId }))) {
      // Without the address it is the same line, however many ask (log-repeats.ts).
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
      // In the transaction that writes down that it is done: one request is one token, whoever dies in between.
      settled: answer,
      // Strangers have as many written as they like, nearly all for nobody.
      forgets: true,
    })
  }

  /** When each network asked last. */
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
      // What was typed is not kept: it may be a password in the wrong field.
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
        // The account first, as in every transaction that ends what it has; then nothing of it changes meanwhile.
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
