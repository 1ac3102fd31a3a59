import type { Audit } from '../audit/audit.ts'
import type { Log } from '../log.ts'
import type { Place } from './challenges.ts'
import { Refused } from './passkey-answer.ts'
import type { Assured, Passkeys } from './passkeys.ts'

/** Who shows a passkey. */
export interface Holder {
  ip?: string | undefined
  userAgent?: string | undefined
}

/**
 * Signing in with passkeys. What comes back cannot be guessed, so that it neither counts as a guess nor waits while an
 * account is locked: whoever guesses passwords keeps nobody from signing in so.
 *
 * | shown                                                       | ends with                                |
 * |-------------------------------------------------------------|------------------------------------------|
 * | a challenge of another place or purpose, over, or used      | refused; one of ours is used up          |
 * | an unknown key, or one of another account or tenant         | refused                                  |
 * | another origin, relying party or frame; no signature of it  | refused                                  |
 * | nobody was there; without a password: nobody was verified   | refused                                  |
 * | a device that did not count on                              | refused, `account.passkey_refused`       |
 * | anything else                                               | right, and the use is noted              |
 */
export interface PasskeyChecks {
  /** Whether browsers can use passkeys with this issuer's address. */
  isPossible: boolean
  /** What a browser needs to be asked for any passkey. @param binding names the sign-in, for this browser alone */
  askAnybody(tenant: string, binding: string): Promise<object>
  /** The same for one account, beside its password; undefined when it has none. */
  ask(tenant: string, accountId: string, binding: string): Promise<object | undefined>
  /** @returns the account whose passkey it is, with which its device has made sure that it is its owner */
  signIn(
    tenant: string,
    shown: { binding: string; credential: string },
    by: Holder,
  ): Promise<string | undefined>
  /** Whether it is one of this account. */
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
    if (stored === undefined) throw new Refused('the key was removed meanwhile')
    const detail = { factor: passkey.id, reason: 'counter', stored, came: counter }
    const type = 'account.passkey_refused'
    await audit.record(tenant, { type, accountId: passkey.accountId, ip, userAgent, detail })
    log.warn({ account: passkey.accountId, tenant, ip, ...detail }, 'a passkey may be a copy')
    throw new Refused('its device did not count on')
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
