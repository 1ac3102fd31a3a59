import type { PlainCode } from '../oidc/plain-code.ts'
import type { PlainHandler } from './direct.ts'

/** The exchange of a code (RFC 6749 §4.1.3) with PKCE, for a JWT, an ID token and a refresh token. */
export function plainCodes(exchange: PlainCode): PlainHandler {
  return {
    parameters: ['grant_type', 'code', 'redirect_uri', 'code_verifier'],
    async answer({ parameters, caller, issuedTo }) {
      const { code, redirect_uri: redirectUri, code_verifier: verifier } = parameters
      if (code === undefined || redirectUri === undefined || verifier === undefined)
        return undefined
      return exchange({ code, redirectUri, verifier }, caller, issuedTo)
    },
  }
}
