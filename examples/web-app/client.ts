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

/** The scopes that this app requests. No `offline_access`: the tokens end when the user signs out. */
const scope = 'openid profile email orders:read orders:write orders:refund'

/** Kept from the redirect to the authorization server until the callback. For one use. */
export interface SignIn {
  /** Binds the response to the request (RFC 9700 §4.7). */
  state: string
  /** Binds the ID token to the request. */
  nonce: string
  /** The secret behind the code challenge, required to redeem the code (PKCE, RFC 7636). */
  codeVerifier: string
}

export type Tokens = TokenEndpointResponse & TokenEndpointResponseHelpers

/** All requests of this app to the authorization server. All methods throw the errors of openid-client. */
export interface Client {
  /** The URL for the browser, and what to keep for its return. */
  begin(): Promise<{ url: URL; signIn: SignIn }>
  /** @param url the callback URL, with the authorization response in its query */
  finish(url: URL, signIn: SignIn): Promise<Tokens>
  refresh(refreshToken: string): Promise<Tokens>
  /** Revokes a refresh token, with its family and all access tokens of it. */
  revoke(refreshToken: string): Promise<void>
  /** The URL at which the browser signs out at the authorization server, too. */
  signOut(idToken: string): Promise<URL>
  config(): Promise<Configuration>
}

export function createClient({ issuer, clientId, clientSecret, baseUrl }: Settings): Client {
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
        // The answer was lost, and the token may be used up. For half a minute the same request gets the same answer.
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

/** Whether the authorization server refused the refresh token for good: the user has to sign in again. */
export function isOver(error: unknown): boolean {
  return error instanceof ResponseBodyError && error.error === 'invalid_grant'
}
