import type { Client as EngineClient } from 'oidc-provider'
import type { Proof } from '../factors/second-factor.ts'
import type { IssuerContext } from './capabilities.ts'

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
 * | password, code by e-mail     | `pwd`, `otp`                 |               |
 *
 * A mailbox resets the password, too: with a code from it nothing was shown that it does not give alone.
 */
export function authenticationBy(proof: Proof | undefined): Authentication {
  if (proof === undefined) return { amr: ['pwd'] }
  if (proof === 'email') return { amr: ['pwd', 'otp'] }
  return { amr: methodsOf[proof], acr: multiFactor }
}

const methodsOf: Record<Exclude<Proof, 'email'>, string[]> = {
  totp: ['pwd', 'otp', 'mfa'],
  recovery: ['pwd', 'mfa'],
  passkey: ['pwd', 'pop', 'user', 'mfa'],
  verified_passkey: ['pop', 'user', 'mfa'],
}

/** What a request asks of the `acr` of an ID token (OpenID Connect Core §5.5.1.1), also by `acr_values`. */
export interface AcrRequest {
  essential?: boolean | undefined
  value?: unknown
  values?: unknown
}

/** The authentication contexts that would do. */
export function wishesOf(acr: AcrRequest | null | undefined): unknown[] {
  return [acr?.value, acr?.values].flat().filter((wish) => wish !== undefined)
}

/** What a token request redeems where a person is involved; each says how that person signed in. */
const redeemed = new Set([
  'AuthorizationCode',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'RefreshToken',
])

type Demanding = Pick<IssuerContext, 'tenant' | 'tenants'>

/** Whether everybody who signs in at this tenant shows a second factor, whatever the client. */
export async function tenantNeedsFactor({ tenant, tenants }: Demanding): Promise<boolean> {
  return (await tenants.find(tenant))?.requireMfa === true
}

/** Whether nobody gets to a client without a second factor: the client says so, or its tenant for all. */
export async function needsFactor(
  context: Demanding,
  client: object | undefined,
): Promise<boolean> {
  const { require_mfa: required } = (client ?? {}) as { require_mfa?: unknown }
  return required === true || tenantNeedsFactor(context)
}

/**
 * Whether something comes from a sign-in that is too weak by now (ASVS 6.3.3):
 *
 * | what is redeemed, of a sign-in without a second factor | the client requires one | the tenant does |
 * |---------------------------------------------------------|-------------------------|-----------------|
 * | code, device code, backchannel request                  | refused                 | refused         |
 * | refresh token                                           | refused                 | goes on: whoever requires one of a whole tenant does not mean to sign out every device |
 */
export async function isTooWeak(
  context: Demanding,
  client: EngineClient | undefined,
  source: { kind?: string; acr?: string | undefined } | undefined,
): Promise<boolean> {
  const kind = source?.kind ?? ''
  if (!redeemed.has(kind) || source?.acr === multiFactor) return false
  if (client?.['require_mfa'] === true) return true
  return kind !== 'RefreshToken' && tenantNeedsFactor(context)
}
