import type { IssuerContext } from '../oidc/capabilities.ts'
import type { ResourceAccess } from '../oidc/resource-access.ts'
import { introspectionOf } from '../oidc/structured-endpoints.ts'
import type { StructuredTokens } from '../oidc/structured-tokens.ts'
import type { PlainHandler } from './direct.ts'

/** Introspection (RFC 7662) of a JWT that is active, by who may know. */
export function plainIntrospection(
  { issuer }: IssuerContext,
  structured: StructuredTokens,
  access: ResourceAccess,
): PlainHandler {
  return {
    parameters: ['token', 'token_type_hint'],
    async answer({ parameters: { token }, caller: { client, metadata } }) {
      if (token === undefined || !structured.looksLikeOne(token)) return undefined
      // It wants to be asked for in another way.
      if (metadata.introspection_encrypted_response_alg !== undefined) return undefined
      const found = await structured.find(token)
      if (!found || !(await access.mayIntrospect(client.clientId, found))) return undefined
      return introspectionOf(issuer, found)
    },
  }
}
