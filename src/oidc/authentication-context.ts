import type { Client as EngineClient } from 'oidc-provider'
import type { Proof } from '../factors/second-factor.ts'

/**
 * The one authentication context that this server names: a password and a second factor (OpenID PAPE 1.0 §4). A sign-in
 * with a password alone has none, as it promises nothing beyond what everybody does.
 */
export const multiFactor = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor'

export interface Authentication {
  amr: string[]
  acr?: string
}

/**
 * What a finished sign-in may say of itself (RFC 8176 §2): what was shown, and nothing more.
 *
 * | shown                        | `amr`                | `acr`         |
 * |------------------------------|----------------------|---------------|
 * | password                     | `pwd`                |               |
 * | password, code of an app     | `pwd`, `otp`, `mfa`  | `multiFactor` |
 * | password, recovery code      | `pwd`, `mfa`         | `multiFactor` |
 */
export function authenticationBy(proof: Proof | undefined): Authentication {
  if (proof === undefined) return { amr: ['pwd'] }
  const amr = proof === 'totp' ? ['pwd', 'otp', 'mfa'] : ['pwd', 'mfa']
  return { amr, acr: multiFactor }
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
