import { decodeProtectedHeader } from 'jose'
import type Provider from 'oidc-provider'

/**
 * Lets ID tokens alone be hints. The engine looks at signature, issuer and audience, which a logout token has as well;
 * what a token is for is in its `typ` (RFC 8725 §3.11, ASVS 9.2.2), which the engine's ID tokens leave out.
 */
export function onlyIdTokensAreHints({ IdToken }: Provider): void {
  const { validate } = IdToken
  IdToken.validate = async function (token, client) {
    const { typ } = decodeProtectedHeader(token)
    if (typ !== undefined && typ !== 'JWT') throw new Error(`expected an ID token, got ${typ}`)
    return validate.call(this, token, client)
  }
}
