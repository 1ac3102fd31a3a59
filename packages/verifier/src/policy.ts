import type { AccessTokenClaims } from './access-token.ts'
import { now } from './clock.ts'
import { TokenRefused } from './faults.ts'
import type { VerifierOptions } from './options.ts'

/** What a route asks of a token. */
export interface Policy {
  /**
   * How much is known of revocations:
   *
   * | check        | asks                            | a token that was revoked is refused         |
   * |--------------|---------------------------------|---------------------------------------------|
   * | `offline`    | nobody                          | when it expires                             |
   * | `feed`       | nobody; the feed tells          | within two seconds, or half of one by stream |
   * | `introspect` | the issuer, at each request     | at once                                     |
   *
   * `feed` where there is one, otherwise `offline`.
   */
  check?: 'offline' | 'feed' | 'introspect'
  /** With `introspect`: the share of requests that ask, 0 to 1; the others go by the feed, or offline. 1 by default. */
  share?: number
  /** Scopes that this route needs, all of them. */
  scopes?: string[]
  /** How well and how recently the person must have signed in (RFC 9470). */
  stepUp?: {
    /** One of these. */
    acrValues?: string[]
    /** Seconds since the sign-in, at most. */
    maxAge?: number
  }
}

/** A policy whose gaps are filled. */
export type WholePolicy = Policy & { check: NonNullable<Policy['check']>; share: number }

/** @throws TypeError when a policy asks for what was not set up */
export function completePolicy(policy: Policy, options: VerifierOptions): WholePolicy {
  const { check = options.feed ? 'feed' : 'offline', share = 1 } = policy
  if (check === 'feed' && !options.feed) throw new TypeError("check 'feed': no feed was set up")
  if (check === 'introspect' && !options.introspection) {
    throw new TypeError("check 'introspect': no introspection was set up")
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
    throw new TokenRefused('insufficient_scope', 'scope', `this needs the scope ${missing[0]}`)
  }
}

/** @throws TokenRefused */
export function checkStepUp(claims: AccessTokenClaims, { stepUp }: Policy, tolerance: number) {
  const { acrValues, maxAge } = stepUp ?? {}
  const { acr, auth_time: at } = claims
  const refuse = (why: string) =>
    new TokenRefused('insufficient_user_authentication', 'authentication', why)
  if (acrValues && (acr === undefined || !acrValues.includes(acr))) {
    throw refuse('a stronger sign-in is needed')
  }
  if (maxAge !== undefined && (at === undefined || now() - at > maxAge + tolerance)) {
    throw refuse('a more recent sign-in is needed')
  }
}
