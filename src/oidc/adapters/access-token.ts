import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { looksLikeRefreshToken } from '../../families/handle.ts'
import { hashOf } from '../../secrets/handle.ts'
import { claimsFor, denialsNaming, type TraceClaims } from '../access-token.ts'
import type { IssuerContext } from '../capabilities.ts'
import { assertNonce } from '../dpop-nonces.ts'
import type { ResourceAccess } from '../resource-access.ts'
import { scopeSet } from '../scopes.ts'
import type { StructuredTokens } from '../structured-tokens.ts'
import { currentTokenRequest } from '../token-request.ts'
import { shortLivedAdapter } from './short-lived.ts'

/**
 * Access tokens of both forms. Opaque ones are short-lived artifacts; a JWT is never stored: presented at userinfo,
 * it is verified instead of looked up (engine: `AccessToken.find`).
 */
export function accessTokenAdapter(
  model: 'AccessToken' | 'ClientCredentials',
  context: IssuerContext,
  structured: StructuredTokens,
  access: ResourceAccess,
): Adapter {
  const { tenant, clients, denials, log } = context
  const base = shortLivedAdapter(model, context)

  async function findOpaque(id: string): Promise<AdapterPayload | undefined> {
    // The engine looks up any token among these, too. Refresh tokens are in Postgres, and must be revocable while Redis
    // is down.
    if (looksLikeRefreshToken(id)) return undefined
    const token = await base.find(id)
    if (!token) return undefined
    // At introspection the engine would fail over a missing or broken client, to the harm of the caller.
    if (!(await clients.metadata(tenant, token.clientId ?? ''))) return undefined
    const named = denialsNaming({ ...token, jti: hashOf(id) })
    if (denials.anyDenies(tenant, named, token.iat ?? 0)) return undefined
    // At introspection the engine would answer its own `sid`, which it leaves empty, in place of the token's.
    const { sid } = (token.extra ?? {}) as Partial<TraceClaims>
    return sid === undefined ? token : { ...token, sid }
  }

  /**
   * Restricts userinfo to tokens of the default resource server, or of the one that was default when it was allowed
   * `openid`, which no other has (ASVS 9.2.3).
   * @throws errors.InvalidToken, with the engine's own text: the engine would check `openid` first
   */
  async function forUserinfo(token: AdapterPayload): Promise<AdapterPayload> {
    const hasOpenid = scopeSet(token.scope).has('openid')
    if (!hasOpenid && token.aud !== (await access.default()).identifier)
      throw new errors.InvalidToken('token audience prevents accessing the userinfo endpoint')
    const metadata = await clients.metadata(tenant, token.clientId ?? '')
    if (Provider.ctx && metadata) assertNonce(Provider.ctx, metadata)
    // The engine treats a token with an audience as meant for another resource server.
    const { aud: _aud, ...forUs } = token
    return forUs
  }

  return {
    ...base,
    async find(id) {
      const token = await (structured.looksLikeOne(id) ? structured.find(id) : findOpaque(id))
      return token && Provider.ctx?.oidc.route === 'userinfo' ? forUserinfo(token) : token
    },
    // Redis may be restored to an earlier state (architecture §4): the deny-list keeps the token revoked.
    async destroy(id) {
      // No audience: an opaque token is never verified offline.
      await denials.add(tenant, [{ kind: 'jti', subject: hashOf(id), audiences: [] }])
      await base.destroy(id)
    },
    // Stored after the commit: no Redis call while rows are locked, and no token whose grant was rolled back.
    async upsert(id, token, expiresIn) {
      const claims = claimsFor(Provider.ctx, token)
      const payload = claims ? { ...token, claims } : token
      const request = currentTokenRequest()
      // Outside a transaction, such as for a machine: without the stored token there is no answer.
      if (!request?.unit.isOpen()) return base.upsert(id, payload, expiresIn)
      // The grant is committed: an unreachable store costs an early refresh, never the answer (architecture §4).
      request.unit.afterCommit(() =>
        base
          .upsert(id, payload, expiresIn)
          .catch((error: Error) => log.warn({ err: error }, 'opaque access token not stored')),
      )
    },
  }
}
