import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Client } from './client.ts'
import type { Settings } from './settings.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'

/** The logout token is not valid; the message says why. */
export class LogoutTokenRefused extends Error {}

/** Verifies logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6). */
export function createLogoutTokens(client: Client, { clientId }: Settings) {
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined

  /**
   * @returns the session that ended (`sid`), or the user whose sessions ended (`sub`)
   * @throws LogoutTokenRefused; any other error means that the keys could not be fetched, and the token may be sent
   *   again
   */
  return async function verify(token: string): Promise<{ sid?: string; sub?: string }> {
    const { issuer, jwks_uri } = (await client.config()).serverMetadata()
    keys ??= createRemoteJWKSet(new URL(jwks_uri ?? ''))
    const payload = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      // The client's id_token_signed_response_alg, and the type that only logout tokens have.
      algorithms: ['RS256'],
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti', 'events'],
      clockTolerance: 30,
    }).then((verified) => verified.payload, refuse)
    return checked(payload)
  }
}

function checked(payload: JWTPayload): { sid?: string; sub?: string } {
  const { sub, sid, events } = payload
  if (typeof (events as Record<string, unknown> | null)?.[event] !== 'object') {
    throw new LogoutTokenRefused('events does not contain a log-out')
  }
  // An ID token passed off as a logout token would have one.
  if ('nonce' in payload) throw new LogoutTokenRefused('it has a nonce')
  if (typeof sid === 'string') return { sid }
  if (typeof sub === 'string') return { sub }
  throw new LogoutTokenRefused('it names neither a session nor a user')
}

function refuse(error: unknown): never {
  const ofTheKeys = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']
  if (error instanceof errors.JOSEError && !ofTheKeys.includes(error.code)) {
    throw new LogoutTokenRefused(error.message, { cause: error })
  }
  throw error
}
