import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import {
  allowInsecureRequests,
  ClientSecretBasic,
  discovery,
  tokenIntrospection,
} from 'openid-client'
import type { Settings } from './settings.ts'

/** The token says nothing that this API believes. The message is for the caller. */
export class TokenRefused extends Error {}

export interface AuthorizationServer {
  /**
   * Verifies a JWT access token (RFC 9068 §4) without asking anybody: fast, and good until it expires.
   * @throws TokenRefused; anything else means that the keys could not be had
   */
  verify(token: string): Promise<JWTPayload>
  /**
   * Asks the authorization server whether the token is still good (RFC 7662): one request more, and a token that was
   * revoked a moment ago is refused.
   * @throws Error when there is no answer, which must never be taken for a yes
   */
  isActive(token: string): Promise<boolean>
}

/** What this API knows of the authorization server, and how it asks. */
export function authorizationServer(settings: Settings): AuthorizationServer {
  const { audience } = settings
  let known: ReturnType<typeof discover> | undefined

  /** Discovery happens at the first request, so that the two may start in any order; a failure is tried again. */
  function connect() {
    known ??= discover(settings).catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }

  return {
    async verify(token) {
      const { keys, issuer } = await connect()
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          // An ID token, or a token for another API, must not open this one.
          typ: 'at+jwt',
          // What this API was declared with; never the one that the token asks for.
          algorithms: ['ES256'],
          requiredClaims: ['sub', 'client_id', 'exp', 'iat', 'jti'],
          clockTolerance: 30,
        })
        // RFC 9449 §7.2, RFC 8705 §3: a bound token without its key is a stolen one. This API knows only bearer tokens.
        if (payload['cnf'] !== undefined) throw new TokenRefused('the token is bound to a key')
        return payload
      } catch (error) {
        if (isFaultOfToken(error)) throw new TokenRefused(error.message, { cause: error })
        throw error
      }
    },
    async isActive(token) {
      const { config } = await connect()
      const { active } = await tokenIntrospection(config, token)
      return active
    },
  }
}

async function discover({ issuer, clientId, clientSecret }: Settings) {
  const config = await discovery(issuer, clientId, {}, ClientSecretBasic(clientSecret), {
    // Plain http is for this machine alone; every other issuer is https.
    execute: issuer.protocol === 'http:' ? [allowInsecureRequests] : [],
  })
  const { jwks_uri, issuer: name } = config.serverMetadata()
  if (jwks_uri === undefined) throw new Error('the issuer has no jwks_uri')
  // The keys stay in memory. One that is not known is looked up, at most every 30 seconds; all of them after 5 minutes,
  // so that a key that was revoked is forgotten.
  const keys = createRemoteJWKSet(new URL(jwks_uri), { cacheMaxAge: 300_000 })
  // As it stands in tokens; discovery compared it with the setting.
  return { config, keys, issuer: name }
}

/** Keys that cannot be fetched are no fault of the token. */
function isFaultOfToken(error: unknown): error is Error {
  return (
    error instanceof errors.JOSEError &&
    !['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'].includes(error.code)
  )
}
