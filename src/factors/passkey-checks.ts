import type { Audit } from '../audit/audit.ts'
import type { Log } from '../log.ts'
import type { Place } from './challenges.ts'
import { Refused } from './passkey-answer.ts'
import type { Assured, Passkeys } from './passkeys.ts'

/** Who presents a passkey. */
export interface Holder {
  ip?: string | undefined
  userAgent?: string | undefined
}

/**
 * Signing in with passkeys. Answers cannot be guessed, so they do not count as guesses and are accepted while the
 * account is locked: guesses at passwords do not keep the owner from signing in with a passkey.
 *
 * | answer                                                     | result                                   |
 * |------------------------------------------------------------|------------------------------------------|
 * | a challenge of another place or purpose, expired, or used  | refused; a challenge of ours is consumed |
 * | an unknown key, or one of another account or tenant        | refused                                  |
 * | another origin, relying party or frame; wrong signature    | refused                                  |
 * | no user presence; without a password: no user verification | refused                                  |
 * | a signature counter that did not increase                  | refused, `account.passkey_refused`       |
 * | anything else                                              | right, and the use is recorded           |
 */
export interface PasskeyChecks {
  /** Whether browsers allow passkeys for this issuer's host. */
  isPossible: boolean
  /** Options to request any passkey. @param binding identifies the sign-in, known to this browser alone */
  askAnybody(tenant: string, binding: string): Promise<object>
  /** The same for one account, besides its password; undefined when it has none. */
  ask(tenant: string, accountId: string, binding: string): Promise<object | undefined>
  /** @returns the account of the passkey, whose authenticator has verified its owner */
  signIn(
    tenant: string,
    shown: { binding: string; credential: string },
    by: Holder,
  ): Promise<string | undefined>
  /** Whether it is a valid answer of a passkey of this account. */
  check(
    tenant: string,
    accountId: string,
    shown: { binding: string; credential: string },
    by: Holder,
  ): Promise<boolean>
}

export function createPasskeyChecks(
  { audit, log }: { audit: Audit; log: Log },
  passkeys: Passkeys,
): PasskeyChecks {
  const { store } = passkeys

  /** @throws Refused */
  async function use(tenant: string, assured: Assured, { ip, userAgent }: Holder): Promise<void> {
    const { passkey, counter } = assured
    if (await store.use(tenant, passkey.id, assured)) return
    const stored = (await store.find(tenant, passkey.credentialId))?.counter
    if (stored === undefined) throw new Refused('the passkey was removed meanwhile')
    const detail = { factor: passkey.id, reason: 'counter', stored, came: counter }
    const type = 'account.passkey_refused'
    await audit.record(tenant, { type, accountId: passkey.accountId, ip, userAgent, detail })
    log.warn({ account: passkey.accountId, tenant, ip, ...detail }, 'a passkey may be a copy')
    throw new Refused('the signature counter did not increase')
  }

  async function accept(
    tenant: string,
    place: Place,
    credential: string,
    by: Holder,
    accountId?: string,
  ): Promise<string | undefined> {
    try {
      const assured = await passkeys.verify(tenant, place, credential, accountId)
      await use(tenant, assured, by)
      return assured.passkey.accountId
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      const { message: reason } = error
      log.info({ account: accountId, tenant, reason, ip: by.ip }, 'passkey refused')
      return undefined
    }
  }

  return {
    isPossible: passkeys.isPossible,
    askAnybody: async (tenant, binding) =>
      passkeys.requestOptions(tenant, { purpose: 'sign_in', binding }),
    async ask(tenant, accountId, binding) {
      const known = await store.list(tenant, accountId)
      if (known.length === 0 || !passkeys.isPossible) return undefined
      const place = { purpose: 'second_factor', binding: `${binding} ${accountId}` } as const
      return passkeys.requestOptions(tenant, place, known)
    },
    signIn: (tenant, { binding, credential }, by) =>
      accept(tenant, { purpose: 'sign_in', binding }, credential, by),
    async check(tenant, accountId, { binding, credential }, by) {
      const place = { purpose: 'second_factor', binding: `${binding} ${accountId}` } as const
      return (await accept(tenant, place, credential, by, accountId)) === accountId
    },
  }
}
