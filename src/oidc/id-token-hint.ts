import { decodeProtectedHeader } from 'jose'
import type Provider from 'oidc-provider'

/**
 * Lets ID tokens alone be hints. The engine looks at signature, issuer and audience, which a logout token has as well;
 * what a token is for is in its `typ` (RFC 8725 §3.11, ASVS 9.2.2), which the engine's ID tokens leave out.
 */
export function onlyIdTokensAreHints({ IdToken, OIDCContext }: Provider): void {
  const { validate } = IdToken
  IdToken.validate = async function (token, client) {
    assertIdToken(decodeProtectedHeader(token))
    return validate.call(this, token, client)
  }
  // At the end of a session the engine first looks for a client that is the audience, as which an API is not known.
  const { entity } = OIDCContext.prototype
  OIDCContext.prototype.entity = function (name, value) {
    if (name === 'IdTokenHint') assertIdToken(value.header)
    entity.call(this, name, value)
  }
}

function assertIdToken({ typ }: { typ?: string }): void {
  if (typ !== undefined && typ !== 'JWT') throw new Error(`expected an ID token, got ${typ}`)
}
