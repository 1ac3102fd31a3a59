import type { Client as EngineClient } from 'oidc-provider'
import type { Proof } from '../factors/second-factor.ts'
import type { IssuerContext } from './capabilities.ts'

/**
 * The one authentication context that this server names: two factors (OpenID PAPE 1.0 §4). A sign-in with a password
 * alone has no `acr`, as it promises nothing beyond what everybody does.
 */
export const multiFactor = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor'

export interface Authentication {
  amr: string[]
  acr?: string
}

/**
 * The `amr` and `acr` of a finished sign-in (RFC 8176 §2; OpenID Connect EAP ACR Values 1.0 §3 for `pop`): what was
 * proven, and nothing more. Nobody has proven whether a passkey is kept in hardware (`hwk`) or not (`swk`); its device
 * has signed that somebody was present (`user`). A passkey with user verification is two factors: what a person has,
 * and what they know or are.
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
 * A code by e-mail is no second factor: the mailbox resets the password, too.
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

/** The `acr` values that a request asks for. */
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

/** Whether this tenant requires a second factor of everybody, whatever the client. */
export async function tenantNeedsFactor({ tenant, tenants }: Demanding): Promise<boolean> {
  return (await tenants.find(tenant))?.requireMfa === true
}

/** Whether a second factor is required, by the client or by its tenant. */
export async function needsFactor(
  context: Demanding,
  client: object | undefined,
): Promise<boolean> {
  const { require_mfa: required } = (client ?? {}) as { require_mfa?: unknown }
  return required === true || tenantNeedsFactor(context)
}

/**
 * Whether a sign-in no longer meets the current requirements (ASVS 6.3.3):
 *
 * | what is redeemed, of a sign-in without a second factor | the client requires one | the tenant does |
 * |---------------------------------------------------------|-------------------------|-----------------|
 * | code, device code, backchannel request                  | refused                 | refused         |
 * | refresh token                                           | refused                 | accepted        |
 *
 * A refresh token is accepted, as requiring a factor of a whole tenant is not meant to sign out every device.
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
