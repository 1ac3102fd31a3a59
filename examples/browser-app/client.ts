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

/** Not `offline_access`: what the page gets ends when the person signs out. */
const scope = 'openid profile email orders:read orders:write orders:refund'

/** What is kept between leaving for the authorization server and coming back. */
export interface SignIn {
  state: string
  nonce: string
  codeVerifier: string
}

/** The token handler as a client of the authorization server. */
export function createClient({ issuer, clientId, clientSecret, baseUrl }: Settings) {
  let known: Promise<Configuration> | undefined

  /** Discovery happens at the first use, so that the two may start in any order; a failure is tried again. */
  function config(): Promise<Configuration> {
    known ??= discovery(issuer, clientId, {}, ClientSecretBasic(clientSecret), {
      execute: [
        // The signature of ID tokens is checked as well.
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

    /** @param url where the browser came back, with the answer in its query */
    async finish(url: URL, { state, nonce, codeVerifier }: SignIn) {
      // Checks state and iss (RFC 9207), then the ID token: signature, iss, aud, exp, nonce.
      return authorizationCodeGrant(await config(), url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      })
    },

    /** @returns undefined when the authorization server says that it is over */
    async refresh(refreshToken: string) {
      const ask = async () => refreshTokenGrant(await config(), refreshToken)
      return ask()
        .catch((error: unknown) => {
          if (error instanceof ResponseBodyError) throw error
          // The answer was lost, and the token may be used up. For half a minute the same question gets the same answer.
          return ask()
        })
        .catch((error: unknown) => {
          if (error instanceof ResponseBodyError && error.error === 'invalid_grant')
            return undefined
          throw error
        })
    },

    /** Ends the family of a refresh token, with every access token of it. */
    async revoke(refreshToken: string) {
      await tokenRevocation(await config(), refreshToken, { token_type_hint: 'refresh_token' })
    },

    /** Where to send the browser to sign out there, too. */
    async signOut(idToken: string) {
      return buildEndSessionUrl(await config(), {
        id_token_hint: idToken,
        post_logout_redirect_uri: new URL('/', baseUrl).href,
      })
    },
  }
}
