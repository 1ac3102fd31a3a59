import type Provider from 'oidc-provider'
import { claimsOf } from '../accounts/account.ts'
import type { IssuerContext } from './capabilities.ts'
import { claimsWithin } from './client-policy.ts'
import { scopeSet } from './scopes.ts'
import type { SecretClients } from './secret-clients.ts'

/** Answers userinfo for an access token (OpenID Connect Core §5.3.2). @returns undefined when the engine must answer */
export type PlainUserinfo = (token: string) => Promise<object | undefined>

/**
 * Userinfo as JSON, for a token of either form that is bound to no key and requests no individual claims. One statement
 * reads the account and its grant, as in the engine's path.
 */
export function plainUserinfo(
  provider: Provider,
  { tenant, grants }: IssuerContext,
  clients: SecretClients,
): PlainUserinfo {
  return async (presented) => {
    const token = await provider.AccessToken.find(presented)
    const { scope, clientId, accountId, grantId } = token ?? {}
    if (!token || clientId === undefined || accountId === undefined) return undefined
    if (token.isSenderConstrained() || token.claims?.userinfo !== undefined) return undefined
    const scopes = scopeSet(scope)
    if (!scopes.has('openid')) return undefined
    const client = await clients.declared(clientId)
    const { userinfo_signed_response_alg: signed, userinfo_encrypted_response_alg: sealed } =
      client?.metadata ?? {}
    if (!client || signed !== undefined || sealed !== undefined) return undefined

    const found = await grants.withOwner(tenant, accountId, clientId)
    if (!found?.grant || found.account.disabled || found.grant.id !== grantId) return undefined
    const grant = new provider.Grant(found.grant.allowed)
    const own = claimsWithin(client.engine, claimsOf(found.account))
    const claims = new provider.Claims(own, { client: client.engine })
    claims.scope(grant.getOIDCScopeFiltered(scopes))
    claims.rejected(grant.getRejectedOIDCClaims())
    return claims.result()
  }
}
