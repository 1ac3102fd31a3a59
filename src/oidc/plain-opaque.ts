import type Provider from 'oidc-provider'
import type { AccessToken } from 'oidc-provider'
import { looksLikeRefreshToken } from '../families/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ResourceAccess } from './resource-access.ts'

/**
 * Introspects an opaque access token.
 * @param caller the client that asks
 * @returns undefined when the engine must answer
 */
export type PlainOpaque = (token: string, caller: string) => Promise<object | undefined>

/**
 * Introspection (RFC 7662 §2.2) of an active opaque access token, of a person or a machine, for a caller that may know.
 * Looks in the short-lived store for both kinds at once, then in Postgres for the grant of a person. Refresh tokens are
 * left to the engine.
 */
export function plainOpaque(
  provider: Provider,
  { tenant, issuer, clients, grants, subjects }: IssuerContext,
  access: ResourceAccess,
): PlainOpaque {
  async function find(presented: string) {
    const found = await Promise.all([
      provider.AccessToken.find(presented),
      provider.ClientCredentials.find(presented),
    ])
    return found[0] ?? found[1]
  }

  /** The `sub` of a token for its client; undefined when its grant has ended. */
  async function subjectOf({ grantId, accountId, clientId }: AccessToken) {
    const grant = await grants.find(tenant, grantId)
    if (grant?.clientId !== clientId || grant?.accountId !== accountId) return undefined
    const metadata = await clients.metadata(tenant, clientId ?? '')
    return metadata && subjects.of(tenant, metadata, accountId)
  }

  return async (presented, caller) => {
    if (looksLikeRefreshToken(presented)) return undefined
    const token = await find(presented)
    if (!token?.isValid || !(await access.mayIntrospect(caller, token))) return undefined
    const sub = token.kind === 'AccessToken' ? await subjectOf(token) : undefined
    if (token.kind === 'AccessToken' && sub === undefined) return undefined
    const { extra, clientId, exp, iat, aud, scope, jkt, 'x5t#S256': thumbprint } = token
    return {
      active: true,
      sub,
      ...extra,
      client_id: clientId,
      exp,
      iat,
      iss: issuer,
      aud,
      scope: scope || undefined,
      cnf: token.isSenderConstrained() ? { 'x5t#S256': thumbprint, jkt } : undefined,
      token_type: token.tokenType,
    }
  }
}
