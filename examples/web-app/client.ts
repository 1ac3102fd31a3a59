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
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
  tokenRevocation,
} from 'openid-client'
import type { Settings } from './settings.ts'

/** What this app asks for. Not `offline_access`: what it gets ends when the person signs out. */
const scope = 'openid profile email orders:read orders:write orders:refund'

/** What is kept between leaving for the authorization server and coming back. All of it is for one use. */
export interface SignIn {
  /** Ties the answer to the request (RFC 9700 §4.7). */
  state: string
  /** Ties the ID token to the request. */
  nonce: string
  /** The secret behind the code challenge: without it the code is worth nothing (PKCE, RFC 7636). */
  codeVerifier: string
}

export type Tokens = TokenEndpointResponse & TokenEndpointResponseHelpers

/** Everything that this app says to the authorization server. All methods throw the errors of openid-client. */
export interface Client {
  /** Where to send the browser, and what to keep for its return. */
  begin(): Promise<{ url: URL; signIn: SignIn }>
  /** @param url where the browser came back, with the answer in its query */
  finish(url: URL, signIn: SignIn): Promise<Tokens>
  refresh(refreshToken: string): Promise<Tokens>
  /** Ends the family of a refresh token, with every access token of it. */
  revoke(refreshToken: string): Promise<void>
  /** Where to send the browser to sign out there, too. */
  signOut(idToken: string): Promise<URL>
  config(): Promise<Configuration>
}

export function createClient({ issuer, clientId, clientSecret, baseUrl }: Settings): Client {
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
    config,
    async begin() {
      const signIn: SignIn = {
        state: randomState(),
        nonce: randomNonce(),
        codeVerifier: randomPKCECodeVerifier(),
      }
      const url = buildAuthorizationUrl(await config(), {
        redirect_uri: new URL('/callback', baseUrl).href,
        scope,
        state: signIn.state,
        nonce: signIn.nonce,
        code_challenge: await calculatePKCECodeChallenge(signIn.codeVerifier),
        code_challenge_method: 'S256',
      })
      return { url, signIn }
    },

    async finish(url, { state, nonce, codeVerifier }) {
      // Checks state and iss (RFC 9207), then the ID token: signature, iss, aud, exp, nonce.
      return authorizationCodeGrant(await config(), url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      })
    },

    async refresh(refreshToken) {
      const ask = async () => refreshTokenGrant(await config(), refreshToken)
      try {
        return await ask()
      } catch (error) {
        if (error instanceof ResponseBodyError) throw error
        // The answer was lost, and the token may be used up. For half a minute the same question gets the same answer.
        return ask()
      }
    },

    async revoke(refreshToken) {
      await tokenRevocation(await config(), refreshToken, { token_type_hint: 'refresh_token' })
    },

    async signOut(idToken) {
      return buildEndSessionUrl(await config(), {
        id_token_hint: idToken,
        post_logout_redirect_uri: new URL('/', baseUrl).href,
      })
    },
  }
}

/** Whether the authorization server said that the refresh token is over: the person has to sign in again. */
export function isOver(error: unknown): boolean {
  return error instanceof ResponseBodyError && error.error === 'invalid_grant'
}
