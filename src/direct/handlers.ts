import type { IssuerContext } from '../oidc/capabilities.ts'
import { type PlainCode, plainCode } from '../oidc/plain-code.ts'
import type { PlainOpaque } from '../oidc/plain-opaque.ts'
import { type PlainRefresh, plainRefresh } from '../oidc/plain-refresh.ts'
import type { PlainTokens } from '../oidc/plain-tokens.ts'
import type { PlainUserinfo } from '../oidc/plain-userinfo.ts'
import type { ResourceAccess } from '../oidc/resource-access.ts'
import type { StructuredTokens } from '../oidc/structured-tokens.ts'
import type { KeySet } from '../signing/key-set.ts'
import { plainClientCredentials } from './client-credentials.ts'
import type { PlainHandler, PlainHandlers } from './direct.ts'
import { plainIntrospection } from './introspection.ts'

/** The parts of the plain handlers, for one issuer and one set of keys. */
export interface PlainParts {
  keys: KeySet
  access: ResourceAccess
  structured: StructuredTokens
  tokens: PlainTokens
  opaque: PlainOpaque
  userinfo: PlainUserinfo
}

/** The plain handlers of one issuer. */
export function createPlainHandlers(
  context: IssuerContext,
  { keys, access, structured, tokens, opaque, userinfo }: PlainParts,
): PlainHandlers {
  const introspection = plainIntrospection(context, structured, opaque, access)
  // Signing in another process may hang: wait for it once, in the stack, and not here as well.
  if (context.signing.token) return { introspection, userinfo, token: {} }
  return {
    introspection,
    userinfo,
    token: {
      authorization_code: plainCodes(plainCode(context, tokens)),
      client_credentials: plainClientCredentials(context, keys, access),
      refresh_token: plainRefreshes(plainRefresh(context, tokens)),
    },
  }
}

/** The exchange of a code (RFC 6749 §4.1.3) with PKCE, for a JWT, an ID token and a refresh token. */
const plainCodes = (exchange: PlainCode): PlainHandler => ({
  parameters: ['grant_type', 'code', 'redirect_uri', 'code_verifier'],
  async answer({ parameters, caller, issuedTo }) {
    const { code, redirect_uri: redirectUri, code_verifier: verifier } = parameters
    if (code === undefined || redirectUri === undefined || verifier === undefined) return undefined
    return exchange({ code, redirectUri, verifier }, caller, issuedTo)
  },
})

/** A refresh (RFC 6749 §6): for a JWT, with nothing narrowed. */
const plainRefreshes = (refresh: PlainRefresh): PlainHandler => ({
  parameters: ['grant_type', 'refresh_token'],
  async answer({ parameters: { refresh_token: presented }, caller, issuedTo }) {
    return presented === undefined ? undefined : refresh(presented, caller, issuedTo)
  },
})
