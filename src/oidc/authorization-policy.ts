import Provider, {
  type Client as EngineClient,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import { redirectUriAllowed } from '../clients/redirect-uri.ts'
import { scopeSet } from './scopes.ts'

/** The scopes of requests as they came, before the engine drops those that it thinks a client may not have. */
const asked = new WeakMap<object, Set<string>>()

/** The scope of an authorization request as it came: in the address, pushed, or in a request object. */
export function askedScope(ctx: KoaContextWithOIDC): Set<string> {
  return asked.get(ctx) ?? new Set()
}

/**
 * Applies the rules of this server to every authorization request, whether it came in the address, was pushed (RFC
 * 9126) or signed (RFC 9101). Hooks into `responseModeAllowed`: the engine calls it when it has read the request, and
 * before it checks anything else in it.
 */
export function applyAuthorizationPolicy(provider: Provider): void {
  const { prototype } = provider.Client
  const { responseModeAllowed } = prototype
  prototype.redirectUriAllowed = function (this: EngineClient, uri) {
    return redirectUriAllowed(uri, this.redirectUris ?? [], this.applicationType ?? 'web')
  }
  prototype.postLogoutRedirectUriAllowed = function (this: EngineClient, uri) {
    return redirectUriAllowed(uri, this.postLogoutRedirectUris ?? [], this.applicationType ?? 'web')
  }
  prototype.responseModeAllowed = function (this: EngineClient, ...about) {
    const { ctx } = Provider
    if (ctx) {
      assertThumbprint(ctx)
      completeRequest(ctx, this)
    }
    return responseModeAllowed.apply(this, about)
  }
}

/**
 * Refuses a `dpop_jkt` that no key can have as its thumbprint: nobody could redeem the code (RFC 9449 §10).
 * @throws errors.InvalidRequest
 */
function assertThumbprint({ oidc: { params } }: KoaContextWithOIDC): void {
  const thumbprint = params?.['dpop_jkt'] as string | undefined
  if (thumbprint === undefined || /^[\w-]{43}$/.test(thumbprint)) return
  throw new errors.InvalidRequest(
    'dpop_jkt must be the SHA-256 thumbprint of a key in base64url, 43 characters',
  )
}

/**
 * A request without `scope` asks for the scope that its client registered, or for `openid` (RFC 6749 §3.3: the
 * documented default; K-01). A `nonce` beside a default without `openid` means nothing and is ignored; the engine would
 * refuse it.
 */
function completeRequest(ctx: KoaContextWithOIDC, client: EngineClient): void {
  const { params } = ctx.oidc
  if (!params) return
  if (params['scope'] === undefined) {
    const scope = (client['registered_scope'] as string | undefined) ?? 'openid'
    params['scope'] = scope
    if (!scopeSet(scope).has('openid')) params['nonce'] = undefined
  }
  asked.set(ctx, scopeSet(params['scope']))
}
