import type { IssuerContext } from '../oidc/capabilities.ts'
import { plainCode } from '../oidc/plain-code.ts'
import type { PlainOpaque } from '../oidc/plain-opaque.ts'
import { plainRefresh } from '../oidc/plain-refresh.ts'
import type { PlainTokens } from '../oidc/plain-tokens.ts'
import type { PlainUserinfo } from '../oidc/plain-userinfo.ts'
import type { ResourceAccess } from '../oidc/resource-access.ts'
import type { StructuredTokens } from '../oidc/structured-tokens.ts'
import type { KeySet } from '../signing/key-set.ts'
import { plainClientCredentials } from './client-credentials.ts'
import { plainCodes } from './code.ts'
import type { PlainHandlers } from './direct.ts'
import { plainIntrospection } from './introspection.ts'
import { plainRefreshes } from './refresh.ts'

/** What answers plain requests, of one issuer and with one set of keys. */
export interface PlainParts {
  keys: KeySet
  access: ResourceAccess
  structured: StructuredTokens
  tokens: PlainTokens
  opaque: PlainOpaque
  userinfo: PlainUserinfo
}

/** Who answers the plain requests of one issuer. */
export function createPlainHandlers(
  context: IssuerContext,
  { keys, access, structured, tokens, opaque, userinfo }: PlainParts,
): PlainHandlers {
  const introspection = plainIntrospection(context, structured, opaque, access)
  // A signature that another process makes may hang, and is waited for once: not here and then in the stack.
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
