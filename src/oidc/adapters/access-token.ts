import type { Adapter, AdapterPayload } from 'oidc-provider'
import { denialsNaming } from '../access-token.ts'
import type { IssuerContext } from '../capabilities.ts'
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
): Adapter {
  const { tenant, denials } = context
  const base = shortLivedAdapter(model, context)

  async function findOpaque(id: string): Promise<AdapterPayload | undefined> {
    const token = await base.find(id)
    if (!token) return undefined
    const denied = denials.anyDenies(tenant, denialsNaming(token), token.iat ?? 0)
    return denied ? undefined : token
  }

  return {
    ...base,
    find: (id) => (structured.looksLikeOne(id) ? structured.forUserinfo(id) : findOpaque(id)),
    // Redis is not spoken to while rows are locked, and a token whose grant was rolled back is never stored.
    async upsert(id, payload, expiresIn) {
      const request = currentTokenRequest()
      if (request) request.unit.afterCommit(() => base.upsert(id, payload, expiresIn))
      else await base.upsert(id, payload, expiresIn)
    },
  }
}
