import { decodeProtectedHeader } from 'jose'
import type Provider from 'oidc-provider'

/**
 * Accepts only ID tokens as hints. The engine checks signature, issuer and audience, which a logout token passes as
 * well. What a token is for is in its `typ` (RFC 8725 §3.11, ASVS 9.2.2), which the engine's ID tokens lack.
 */
export function onlyIdTokensAreHints({ IdToken, OIDCContext }: Provider): void {
  const { validate } = IdToken
  IdToken.validate = async function (token, client) {
    assertIdToken(decodeProtectedHeader(token))
    return validate.call(this, token, client)
  }
  // At log-out the engine first looks for a client by the audience, which an API is not: so check before that.
  const { entity } = OIDCContext.prototype
  OIDCContext.prototype.entity = function (name, value) {
    if (name === 'IdTokenHint') assertIdToken(value.header)
    entity.call(this, name, value)
  }
}

function assertIdToken({ typ }: { typ?: string }): void {
  if (typ !== undefined && typ !== 'JWT') throw new Error(`expected an ID token, got ${typ}`)
}
