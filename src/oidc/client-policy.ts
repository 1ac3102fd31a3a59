import Provider, {
  type Account,
  type Client as EngineClient,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { Config } from '../../config/config.ts'
import { claimsByScope } from '../accounts/account.ts'
import type { IssuerContext } from './capabilities.ts'
import { refreshPolicy } from './refresh-policy.ts'
import { scopeSet } from './scopes.ts'

/** Compares secrets by their hashes, and only where the client is registered to send them (P-043). */
export function authenticateBySecret(provider: Provider, { tenant, clients }: IssuerContext): void {
  provider.Client.prototype.compareClientSecret = async function (this: EngineClient, secret) {
    // The engine accepts either way to send a secret; only the registered one counts (P-043).
    const inBody = Provider.ctx?.oidc.params?.['client_secret'] !== undefined
    const client = await clients.find(tenant, this.clientId)
    const fits = client !== undefined && clients.secretFits(client, secret)
    if (inBody === (this.clientAuthMethod === 'client_secret_post')) return fits
    const refusal = new errors.InvalidClientAuth(
      `client is registered for ${this.clientAuthMethod}, but the secret was sent in ${inBody ? 'the body' : 'the Authorization header'}`,
    )
    // Only a caller with the right secret gets the reason; for all others both faults look the same.
    if (fits) refusal.error_description = refusal.error_detail ?? ''
    throw refusal
  }
}

/** A token of a public client that is bound to no key always rotates, whatever its policy says (RFC 9700 §4.14.2). */
export function rotates(config: Config) {
  return ({ oidc: { client, entities } }: KoaContextWithOIDC): boolean => {
    const isBound =
      client?.clientAuthMethod !== 'none' || entities.RefreshToken?.isSenderConstrained() === true
    return refreshPolicy(config, client).rotates || !isBound
  }
}

/**
 * PKCE is required of everybody; a confidential client may carry an exemption, then `nonce` is mandatory
 * (OAuth 2.1 §4.1.1, K-04).
 */
export function requiresPkce(ctx: KoaContextWithOIDC, client: EngineClient): boolean {
  if (client['require_pkce'] !== false || client.clientAuthMethod === 'none') return true
  if (ctx.oidc.params?.['nonce'] === undefined) {
    throw new errors.InvalidRequest('nonce is required where PKCE is not used')
  }
  return false
}

/** RFC 7009 §2.1: the token must have been issued to the client that revokes it. */
export function ownTokensOnly(
  _ctx: KoaContextWithOIDC,
  client: EngineClient,
  token: { clientId?: string | undefined },
): boolean {
  if (token.clientId === client.clientId) return true
  throw new errors.InvalidRequest('client is not authorized to revoke the presented token')
}

/**
 * The token endpoint may be called by browser apps from the origins of their redirect URIs; userinfo by those of any
 * client (K-23). The opaque origin `null` is never allowed, even where a redirect URI has it (Fetch §3.3.1).
 *
 * The token endpoint allows credentials, as keycloak-js insists on them: it reads no cookie, so they change nothing.
 */
export function allowsOrigin(
  ctx: KoaContextWithOIDC,
  origin: string,
  client: EngineClient,
): boolean {
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false
  if (origin === 'null') return false
  const isOwn = (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin)
  if (isOwn && ctx.oidc.route === 'token') ctx.set('Access-Control-Allow-Credentials', 'true')
  return isOwn
}

/**
 * The claims of an account, which the engine filters by what was granted. Without those of scopes that the client is
 * not registered for, even if they are asked for one by one, or were allowed before an operator took the scope away.
 * The ID token of a client with `id_token_scope_claims: false` has only claims that were asked for one by one: those of
 * scopes are at userinfo, as OpenID Connect Core §5.4 has it (K-22).
 */
export function claimsByUse(
  { oidc }: KoaContextWithOIDC,
  claims: { sub: string },
): Account['claims'] {
  const within = claimsWithin(oidc.client, claims)
  return (use, _scope, asked) => {
    if (use !== 'id_token' || oidc.client?.['id_token_scope_claims'] !== false) return within
    const kept = Object.entries(within).filter(([name]) => name === 'sub' || name in asked)
    return Object.fromEntries(kept) as { sub: string }
  }
}

/** The claims that the registered `scope` of a client allows. */
export function claimsWithin<Claims extends { sub: string }>(
  client: EngineClient | undefined,
  claims: Claims,
): Claims {
  const registered = client?.['registered_scope']
  if (registered === undefined) return claims
  const scopes = scopeSet(registered)
  const beyond = Object.entries(claimsByScope).filter(([scope]) => !scopes.has(scope))
  const withheld = new Set(beyond.flatMap(([, names]) => names))
  const kept = Object.entries(claims).filter(([name]) => name === 'sub' || !withheld.has(name))
  return Object.fromEntries(kept) as Claims
}
