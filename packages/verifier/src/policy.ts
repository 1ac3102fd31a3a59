import type { AccessTokenClaims } from './access-token.ts'
import { now } from './clock.ts'
import { TokenRefused } from './faults.ts'
import type { VerifierOptions } from './options.ts'

/** What a route requires of a token. */
export interface Policy {
  /**
   * How revocation is checked:
   *
   * | check        | asks                         | a revoked token is refused                          |
   * |--------------|------------------------------|-----------------------------------------------------|
   * | `offline`    | nobody                       | when it expires                                     |
   * | `feed`       | nobody; uses the local list  | within two seconds by poll, half a second by stream |
   * | `introspect` | the issuer, for each request | at once                                             |
   *
   * By default `feed` if there is one, otherwise `offline`.
   */
  check?: 'offline' | 'feed' | 'introspect'
  /**
   * With `introspect`: the share of requests that are introspected, 0 to 1; others are checked by the feed, or offline.
   * 1 by default.
   */
  share?: number
  /** Scopes that this route requires, all of them. */
  scopes?: string[]
  /** How strongly and how recently the user must have authenticated (RFC 9470). */
  stepUp?: {
    /** Accepted `acr` values; one suffices. */
    acrValues?: string[]
    /** Most seconds since the sign-in. */
    maxAge?: number
  }
}

/** A policy with its defaults filled in. */
export type WholePolicy = Policy & { check: NonNullable<Policy['check']>; share: number }

/** @throws TypeError when a policy requires an option that is not configured */
export function completePolicy(policy: Policy, options: VerifierOptions): WholePolicy {
  const { check = options.feed ? 'feed' : 'offline', share = 1 } = policy
  if (check === 'feed' && !options.feed) throw new TypeError("check 'feed': no feed is configured")
  if (check === 'introspect' && !options.introspection) {
    throw new TypeError("check 'introspect': no introspection is configured")
  }
  if (!['offline', 'feed', 'introspect'].includes(check)) {
    throw new TypeError(`check: expected offline, feed or introspect, got ${check}`)
  }
  if (!(share >= 0 && share <= 1)) throw new TypeError(`share: expected 0 to 1, got ${share}`)
  const scopes = [...new Set([...(options.requiredScopes ?? []), ...(policy.scopes ?? [])])]
  return { ...policy, check, share, scopes }
}

/** The scopes of a token. */
export function scopesOf({ scope }: AccessTokenClaims): string[] {
  return (scope ?? '').split(' ').filter(Boolean)
}

/** @throws TokenRefused */
export function checkScopes(claims: AccessTokenClaims, { scopes = [] }: Policy): void {
  const granted = scopesOf(claims)
  const missing = scopes.filter((scope) => !granted.includes(scope))
  if (missing.length > 0) {
    throw new TokenRefused('insufficient_scope', 'scope', `this requires the scope ${missing[0]}`)
  }
}

/** @throws TokenRefused */
export function checkStepUp(claims: AccessTokenClaims, { stepUp }: Policy, tolerance: number) {
  const { acrValues, maxAge } = stepUp ?? {}
  const { acr, auth_time: at } = claims
  const refuse = (why: string) =>
    new TokenRefused('insufficient_user_authentication', 'authentication', why)
  if (acrValues && (acr === undefined || !acrValues.includes(acr))) {
    throw refuse('a stronger sign-in is required')
  }
  if (maxAge !== undefined && (at === undefined || now() - at > maxAge + tolerance)) {
    throw refuse('a more recent sign-in is required')
  }
}
