import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  ClientSecretBasic,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
  tokenRevocation,
} from 'openid-client'
import type { Settings } from './settings.ts'

/** No `offline_access`: the tokens end when the user signs out. */
const scope = 'openid profile email orders:read orders:write orders:refund'

/** Kept from the redirect to the authorization server until the callback. */
export interface SignIn {
  state: string
  nonce: string
  codeVerifier: string
}

/** The token handler as a client of the authorization server. */
export function createClient({ issuer, clientId, clientSecret, baseUrl }: Settings) {
  let known: Promise<Configuration> | undefined

  /** Discovery runs on first use, so that app and issuer may start in any order; a failure is retried. */
  function config(): Promise<Configuration> {
    known ??= discovery(issuer, clientId, {}, ClientSecretBasic(clientSecret), {
      execute: [
        // Verifies the signature of ID tokens, too.
        enableNonRepudiationChecks,
        // Plain http is for this machine alone; every other issuer is https.
        ...(issuer.protocol === 'http:' ? [allowInsecureRequests] : []),
      ],
    }).catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }

  return {
    async begin() {
      const signIn: SignIn = {
        state: randomState(),
        nonce: randomNonce(),
        codeVerifier: randomPKCECodeVerifier(),
      }
      const url = buildAuthorizationUrl(await config(), {
        redirect_uri: new URL('/bff/callback', baseUrl).href,
        scope,
        state: signIn.state,
        nonce: signIn.nonce,
        code_challenge: await calculatePKCECodeChallenge(signIn.codeVerifier),
        code_challenge_method: 'S256',
      })
      return { url, signIn }
    },

    /** @param url the callback URL, with the authorization response in its query */
    async finish(url: URL, { state, nonce, codeVerifier }: SignIn) {
      // Checks state and iss (RFC 9207), then the ID token: signature, iss, aud, exp, nonce.
      return authorizationCodeGrant(await config(), url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      })
    },

    /** @returns undefined when the refresh token is no longer valid */
    async refresh(refreshToken: string) {
      const ask = async () => refreshTokenGrant(await config(), refreshToken)
      return ask()
        .catch((error: unknown) => {
          if (error instanceof ResponseBodyError) throw error
          // The answer was lost, and the token may be used up. For half a minute the same request gets the same answer.
          return ask()
        })
        .catch((error: unknown) => {
          if (error instanceof ResponseBodyError && error.error === 'invalid_grant')
            return undefined
          throw error
        })
    },

    /** Revokes a refresh token, with its family and all access tokens of it. */
    async revoke(refreshToken: string) {
      await tokenRevocation(await config(), refreshToken, { token_type_hint: 'refresh_token' })
    },

    /** The URL at which the browser signs out at the authorization server, too. */
    async signOut(idToken: string) {
      return buildEndSessionUrl(await config(), {
        id_token_hint: idToken,
        post_logout_redirect_uri: new URL('/', baseUrl).href,
      })
    },
  }
}
