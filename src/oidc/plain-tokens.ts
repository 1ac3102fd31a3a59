import type Provider from 'oidc-provider'
import type { AdapterPayload, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider'
import { type Account, claimsOf } from '../accounts/account.ts'
import type { ClientMetadata } from '../clients/client.ts'
import type { Grant } from '../grants/grant.ts'
import { newHandle } from '../secrets/handle.ts'
import { signedJwt } from '../signing/jwt.ts'
import type { KeySet } from '../signing/key-set.ts'
import { traceClaims } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import { claimsByUse } from './client-policy.ts'
import type { ResourceAccess } from './resource-access.ts'
import { scopeSet } from './scopes.ts'

/** The audience of an access token: a resource server with JWTs, and the granted scopes. */
export interface PlainTarget {
  audience: string
  /** Seconds. */
  expiresIn: number
  key: KeySet['signing'][number]
  scope: string
}

/** Tokens that involve a person: access tokens as JWTs (RFC 9068 §2.2) that are bound to no key, and ID tokens. */
export interface PlainTokens {
  /**
   * Finds the resource server by the rules of the engine, for a request without parameters that narrow it.
   * @param payload of what is redeemed
   * @returns applies a grant; undefined if the token is not plain, whatever was granted
   */
  targetOf(
    payload: AdapterPayload,
    client: EngineClient,
  ): Promise<((grant: Grant) => PlainTarget) | undefined>
  /** Signs a JWT with its claims in the engine's order. */
  sign(
    target: PlainTarget,
    payload: AdapterPayload,
    of: { metadata: ClientMetadata; accountId: string; familyId: string },
  ): Promise<string>
  /**
   * An ID token (OpenID Connect Core §3.1.3.3) by the engine's own classes, if no individual claims were requested;
   * undefined without `openid`.
   */
  idToken(
    payload: AdapterPayload,
    of: { account: Account; grant: Grant },
    client: EngineClient,
  ): Promise<string | undefined>
}

/** A request without parameters, for the resource rules. */
const request = {
  oidc: { params: {}, route: 'token', entities: {} },
} as unknown as KoaContextWithOIDC

export function createPlainTokens(
  provider: Provider,
  { tenant, issuer, clock, subjects }: IssuerContext,
  keys: KeySet,
  access: ResourceAccess,
): PlainTokens {
  return {
    async targetOf(payload, client) {
      const { resource: granted } = payload as { resource?: string | string[] }
      if (granted === undefined || granted.length === 0) return undefined
      const resource = Array.isArray(granted)
        ? await access.defaultResource(request, client, granted)
        : granted
      if (Array.isArray(resource) || !granted.includes(resource)) return undefined
      const {
        scope: offered,
        audience,
        accessTokenTTL: expiresIn,
        accessTokenFormat,
        jwt,
      } = await access.getResourceServerInfo(request, resource, client)
      const alg = jwt?.sign && 'alg' in jwt.sign ? jwt.sign.alg : undefined
      const key = keys.signing.find((each) => each.alg === alg)
      if (accessTokenFormat !== 'jwt' || !key || !audience || !expiresIn) return undefined
      const reachable = scopeSet(offered)
      const scopes = (payload.scope?.split(' ') ?? []).filter((name) => reachable.has(name))
      return ({ allowed }) => {
        const scope = new provider.Grant(allowed).getResourceScopeFiltered(resource, scopes)
        return { audience, expiresIn, key, scope }
      }
    },

    async sign({ audience, expiresIn, key, scope }, payload, { metadata, accountId, familyId }) {
      const { grantId, sessionUid, clientId, authTime, acr, amr } = payload
      const iat = clock.seconds()
      return signedJwt(key, 'at+jwt', {
        ...traceClaims(tenant, { grantId, sessionUid, clientId }, familyId),
        jti: newHandle(),
        sub: await subjects.of(tenant, metadata, accountId),
        iat,
        exp: iat + expiresIn,
        scope: scope || undefined,
        client_id: clientId,
        iss: issuer,
        aud: audience,
        auth_time: authTime,
        acr,
        amr,
      })
    },

    async idToken({ scope = '', acr, amr, authTime, nonce, sid }, { account, grant }, client) {
      const scopes = scopeSet(scope)
      if (!scopes.has('openid')) return undefined
      const ctx = { oidc: { client } } as KoaContextWithOIDC
      const given = new provider.Grant(grant.allowed)
      const rejected = given.getRejectedOIDCClaims()
      const claims = await claimsByUse(ctx, claimsOf(account))('id_token', scope, {}, rejected)
      const own = { acr, amr, auth_time: authTime }
      const token = new provider.IdToken({ ...claims, sub: account.id, ...own }, { ctx })
      Object.assign(token, { scope: given.getOIDCScopeFiltered(scopes), mask: {}, rejected })
      token.set('nonce', nonce)
      token.set('sid', sid)
      return token.issue({ use: 'idtoken' })
    },
  }
}
