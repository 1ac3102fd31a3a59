import type { AdapterPayload, KoaContextWithOIDC } from 'oidc-provider'
import type { Denial } from '../denials/denials.ts'
import { sidOf } from '../sessions/session.ts'
import { scopeSet } from './scopes.ts'

/**
 * Claims of an access token beyond RFC 9068 §2.2, in both forms: the grant, family and session that the token depends
 * on, so that it can be traced and denied with them. None of them is a credential.
 */
export interface TraceClaims {
  tenant_id: string
  /** The session at this client; only for tokens that involve a person. */
  sid?: string
  /** The family: the authorization, on one device. */
  fid?: string
  /** The grant. */
  gid?: string
}

/** The members of the engine's tokens that say where one comes from. */
interface TokenOrigin {
  grantId?: string | undefined
  sessionUid?: string | undefined
  clientId?: string | undefined
}

export function traceClaims(
  tenant: string,
  token: TokenOrigin,
  familyId: string | undefined,
): TraceClaims {
  const { grantId, sessionUid, clientId } = token
  return {
    tenant_id: tenant,
    ...(sessionUid && clientId ? { sid: sidOf(sessionUid, clientId) } : {}),
    ...(familyId ? { fid: familyId } : {}),
    ...(grantId ? { gid: grantId } : {}),
  }
}

/** What a token request redeems, where a person is involved. */
export function sourceOf(
  ctx: KoaContextWithOIDC | undefined,
): Pick<AdapterPayload, 'claims' | 'authTime' | 'acr' | 'amr'> | undefined {
  const { AuthorizationCode, DeviceCode, BackchannelAuthenticationRequest, RefreshToken } =
    ctx?.oidc.entities ?? {}
  return AuthorizationCode ?? DeviceCode ?? BackchannelAuthenticationRequest ?? RefreshToken
}

/**
 * What the `claims` parameter asked for (OpenID Connect Core §5.5), for a token that userinfo will accept. The engine
 * forgets it for tokens with an audience, and ours all have one.
 */
export function claimsFor(
  ctx: KoaContextWithOIDC | undefined,
  { scope }: { scope?: string | undefined },
): AdapterPayload['claims'] {
  const source = sourceOf(ctx)
  if (!source || !scopeSet(scope).has('openid')) return undefined
  return source.claims
}

/** The denials that would void a token. */
export function denialsNaming(token: AdapterPayload): Denial[] {
  const { sid, fid, gid, tenant_id } = (token.extra ?? {}) as Partial<TraceClaims>
  const named: Array<[Denial['kind'], string | undefined]> = [
    ['jti', token.jti],
    ['family', fid],
    ['grant', gid],
    ['session', sid],
    ['account', token.accountId],
    ['client', token.clientId],
    ['tenant', tenant_id],
  ]
  return named.flatMap(([kind, subject]) => (subject === undefined ? [] : [{ kind, subject }]))
}
