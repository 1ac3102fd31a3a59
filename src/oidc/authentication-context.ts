import type { Client as EngineClient } from 'oidc-provider'
import type { Proof } from '../factors/second-factor.ts'

/**
 * The one authentication context that this server names: two factors (OpenID PAPE 1.0 §4). A sign-in with a password
 * alone has none, as it promises nothing beyond what everybody does.
 */
export const multiFactor = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor'

export interface Authentication {
  amr: string[]
  acr?: string
}

/**
 * What a finished sign-in may say of itself (RFC 8176 §2; OpenID Connect EAP ACR Values 1.0 §3 for `pop`): what was
 * shown, and nothing more. Where a passkey is kept, in hardware (`hwk`) or not (`swk`), nobody has proven; that somebody
 * was there (`user`), its device has signed. One that made sure of its owner is two factors: what they have, and what
 * they know or are.
 *
 * | shown                        | `amr`                        | `acr`         |
 * |------------------------------|------------------------------|---------------|
 * | password                     | `pwd`                        |               |
 * | password, code of an app     | `pwd`, `otp`, `mfa`          | `multiFactor` |
 * | password, recovery code      | `pwd`, `mfa`                 | `multiFactor` |
 * | password, passkey            | `pwd`, `pop`, `user`, `mfa`  | `multiFactor` |
 * | passkey, owner verified      | `pop`, `user`, `mfa`         | `multiFactor` |
 */
export function authenticationBy(proof: Proof | undefined): Authentication {
  if (proof === undefined) return { amr: ['pwd'] }
  return { amr: methodsOf[proof], acr: multiFactor }
}

const methodsOf: Record<Proof, string[]> = {
  totp: ['pwd', 'otp', 'mfa'],
  recovery: ['pwd', 'mfa'],
  passkey: ['pwd', 'pop', 'user', 'mfa'],
  verified_passkey: ['pop', 'user', 'mfa'],
}

/** What a token request redeems where a person is involved; each says how that person signed in. */
const redeemed = new Set([
  'AuthorizationCode',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'RefreshToken',
])

/**
 * Whether something comes from a sign-in that is too weak for its client: also what was given before the client
 * required a second factor (ASVS 6.3.3).
 */
export function isTooWeak(
  client: EngineClient | undefined,
  source: { kind?: string; acr?: string | undefined } | undefined,
): boolean {
  if (client?.['require_mfa'] !== true || !redeemed.has(source?.kind ?? '')) return false
  return source?.acr !== multiFactor
}
