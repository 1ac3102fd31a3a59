import type { IssuerContext } from '../oidc/capabilities.ts'
import type { PlainOpaque } from '../oidc/plain-opaque.ts'
import type { ResourceAccess } from '../oidc/resource-access.ts'
import { introspectionOf } from '../oidc/structured-endpoints.ts'
import type { StructuredTokens } from '../oidc/structured-tokens.ts'
import type { PlainHandler } from './direct.ts'

/** Introspection (RFC 7662) of an active access token, for callers that may introspect it. */
export function plainIntrospection(
  { issuer }: IssuerContext,
  structured: StructuredTokens,
  opaque: PlainOpaque,
  access: ResourceAccess,
): PlainHandler {
  return {
    parameters: ['token', 'token_type_hint'],
    async answer({ parameters: { token }, caller: { client, metadata } }) {
      if (token === undefined) return undefined
      // Such a client must ask for the JWT form.
      if (metadata.introspection_encrypted_response_alg !== undefined) return undefined
      if (!structured.looksLikeOne(token)) return opaque(token, client.clientId)
      const found = await structured.find(token)
      if (!found || !(await access.mayIntrospect(client.clientId, found))) return undefined
      return introspectionOf(issuer, found)
    },
  }
}
