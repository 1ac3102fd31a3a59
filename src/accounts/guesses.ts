import { networkOf } from '../attempts/network.ts'
import type { Audit } from '../audit/audit.ts'
import { setBounded } from '../bounded-map.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import type { Limiter, Share } from '../limits/limiter.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { createAccountStore } from './account.store.ts'
import { type Account, identifierKey } from './account.ts'
import type { Passwords } from './password.ts'

/** Where a sign-in comes from. */
export interface Visitor {
  ip: string
  userAgent?: string | undefined
  /** The cookie of `Lockouts.devices` in this browser. */
  knownDevice?: string | undefined
}

export type Found = NonNullable<
  Awaited<ReturnType<ReturnType<typeof createAccountStore>['byIdentifier']>>
>

/** Most familiar networks, and for how many milliseconds after a sign-in a network is familiar. */
const mostFamiliar = 50_000
const familiarFor = 24 * 3600 * 1000

/**
 * Networks from which users have recently signed in, in this process. They are the first victims of a flood, and seldom
 * part of it.
 */
function createFamiliar(clock: Clock) {
  const since = new Map<string, number>()
  return {
    add: (network: string) => setBounded(since, network, clock.now(), mostFamiliar),
    has: (network: string) => clock.now() - (since.get(network) ?? 0) < familiarFor,
  }
}

/** Checks guesses at passwords against the limits of network, queue and account (see `Accounts.authenticate`). */
export function createGuesses({
  clock,
  passwords,
  lockouts,
  limiter,
  audit,
}: {
  clock: Clock
  passwords: Passwords
  lockouts: Lockouts
  limiter: Limiter
  audit: Audit
}) {
  const familiar = createFamiliar(clock)
  const turnOf = (network: string) => ({ share: network, familiar: familiar.has(network) })

  /**
   * The steps of `authenticate` up to the hash.
   * @param beside the query that follows a right password (`Lockouts.guess`)
   */
  async function guess(
    tenant: string,
    identifier: string,
    found: Found | undefined,
    password: string,
    { ip, userAgent, knownDevice }: Visitor,
    beside?: () => Promise<unknown>,
  ): Promise<'right' | 'wrong' | 'locked'> {
    const accountId = found?.account.id
    // The same work for unknown accounts.
    const deviceId = lockouts.devices.findMailed(knownDevice, tenant, accountId ?? '')
    const network = networkOf(ip)
    const share: Share[] =
      deviceId === undefined ? [{ limit: 'sign_in_network', subject: network }] : []
    await limiter.take(tenant, ...share)
    const owner =
      accountId === undefined ? { identifier: identifierKey(identifier) } : { accountId }
    // A guess answered as wrong counts against the network, checked or not; one without a place in the queue does not.
    let isWrong = false
    try {
      const turn = deviceId === undefined ? turnOf(network) : {}
      const hash = found?.account.disabled ? undefined : found?.password?.hash
      const count = (look: (may: boolean) => Promise<boolean>) =>
        lockouts.guess(tenant, { owner, deviceId, ip }, look, beside)
      const outcome = await passwords.guess(turn, password, hash, count, accountId)
      isWrong = outcome !== 'right'
      if (!isWrong) familiar.add(network)
      // The same work for unknown and locked accounts, so that timing reveals nothing (ASVS 6.3.8).
      if (isWrong) {
        const failed = { type: 'account.sign_in_failed', accountId, ip, userAgent } as const
        const subject = accountId ?? lockouts.nobodyOf(identifierKey(identifier))
        // Guesses at a locked account may never stop, so they are counted by the day.
        await audit.count(tenant, failed, subject, outcome === 'locked' ? 'day' : 'hour')
      }
      return outcome
    } finally {
      if (!isWrong) await limiter.giveBack(tenant, ...share)
    }
  }

  return {
    guess,
    hasRoom: (tenant: string, { ip, knownDevice }: Visitor) =>
      passwords.hasRoom(turnOf(networkOf(ip))) || lockouts.devices.isOurs(knownDevice, tenant),
  }
}

export function refusalOf(found: Found | undefined, outcome: string): DomainError {
  const reason = reasonOf(found?.account, found?.password !== undefined, outcome)
  return new DomainError('credentials_invalid', { detail: { reason, account: found?.account.id } })
}

function reasonOf(account: Account | undefined, isThere: boolean, outcome: string): string {
  if (outcome === 'locked')
    return 'no attempts are left for this identifier; the password was not checked'
  if (!account) return 'no account has this identifier'
  if (account.disabled) return 'the account is disabled'
  return isThere ? 'the password is wrong' : 'the account has no password'
}
