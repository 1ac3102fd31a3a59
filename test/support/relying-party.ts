import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildAuthorizationUrlWithPAR,
  buildEndSessionUrl,
  type ClientAuth,
  type ClientMetadata,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  clientCredentialsGrant,
  type DPoPOptions,
  discovery,
  fetchUserInfo,
  type IntrospectionResponse,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
  tokenIntrospection,
  tokenRevocation,
  type UserInfoResponse,
} from 'openid-client'

type Parameters = Readonly<Record<string, string>>

/** A successful token response with openid-client's helpers (`claims()`, `expiresIn()`). */
export type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers

/** The issuer and the client's registration there. */
export interface RelyingPartyOptions {
  readonly issuer: string | URL
  readonly clientId: string
  /** Absent for a public client. */
  readonly clientSecret?: string
  /** `client_secret_basic` by default with a secret, `none` without. */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | 'none'
  /** Any other way to authenticate, as openid-client has it. */
  readonly auth?: ClientAuth
  readonly redirectUri: string
  /** Further client metadata, for instance `id_token_signed_response_alg`. */
  readonly metadata?: Partial<ClientMetadata>
  /** The discovery method: OpenID Connect Discovery (`oidc`, the default) or RFC 8414 (`oauth2`). */
  readonly discovery?: 'oidc' | 'oauth2'
}

/** An authorization request and what its answer is checked against. */
export interface AuthorizationRequest {
  readonly url: URL
  readonly codeVerifier: string
  readonly state: string
  /** Sent and expected only with the scope `openid`. */
  readonly nonce: string | undefined
}

/** An application that trusts the server, on openid-client. All methods throw its errors. */
export interface RelyingParty {
  readonly config: Configuration
  readonly clientId: string
  readonly redirectUri: string
  /** A request with PKCE S256, state and nonce; `scope` is `openid` unless given. */
  authorize(parameters?: Parameters): Promise<AuthorizationRequest>
  /** The same, pushed (RFC 9126). */
  push(parameters?: Parameters, options?: DPoPOptions): Promise<AuthorizationRequest>
  /** Validates the answer (state, iss) and redeems the code for validated tokens. */
  finish(
    request: AuthorizationRequest,
    callback: URL,
    parameters?: Parameters,
    options?: DPoPOptions,
  ): Promise<TokenResponse>
  refresh(
    refreshToken: string,
    parameters?: Parameters,
    options?: DPoPOptions,
  ): Promise<TokenResponse>
  clientCredentials(parameters?: Parameters): Promise<TokenResponse>
  revoke(token: string, parameters?: Parameters): Promise<void>
  introspect(token: string, parameters?: Parameters): Promise<IntrospectionResponse>
  userinfo(accessToken: string, subject: string): Promise<UserInfoResponse>
  endSession(parameters?: Parameters): URL
}

function clientAuth({ clientSecret, authMethod, auth }: RelyingPartyOptions): ClientAuth {
  if (auth !== undefined) return auth
  if (clientSecret === undefined || authMethod === 'none') return None()
  return authMethod === 'client_secret_post'
    ? ClientSecretPost(clientSecret)
    : ClientSecretBasic(clientSecret)
}

/**
 * Discovers the issuer (plain http is accepted, for loopback) and returns its relying party.
 *
 * @throws ClientError of openid-client when discovery fails or names another issuer.
 */
export async function createRelyingParty(options: RelyingPartyOptions): Promise<RelyingParty> {
  const { issuer, clientId, redirectUri, metadata, discovery: algorithm = 'oidc' } = options
  const config = await discovery(new URL(issuer), clientId, metadata, clientAuth(options), {
    algorithm,
    execute: [allowInsecureRequests],
  })
  async function prepare({ scope = 'openid', ...rest }: Parameters) {
    const codeVerifier = randomPKCECodeVerifier()
    const state = randomState()
    const nonce = scope.split(' ').includes('openid') ? randomNonce() : undefined
    const parameters = {
      redirect_uri: redirectUri,
      scope,
      code_challenge: await calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
      state,
      ...(nonce === undefined ? {} : { nonce }),
      ...rest,
    }
    return { parameters, codeVerifier, state, nonce }
  }
  return {
    config,
    clientId,
    redirectUri,
    async authorize(given = {}) {
      const { parameters, ...request } = await prepare(given)
      return { url: buildAuthorizationUrl(config, parameters), ...request }
    },
    async push(given = {}, dpop = {}) {
      const { parameters, ...request } = await prepare(given)
      return { url: await buildAuthorizationUrlWithPAR(config, parameters, dpop), ...request }
    },
    finish({ codeVerifier, state, nonce }, callback, parameters = {}, dpop = {}) {
      const checks = {
        pkceCodeVerifier: codeVerifier,
        expectedState: state,
        ...(nonce === undefined ? {} : { expectedNonce: nonce }),
      }
      return authorizationCodeGrant(config, callback, checks, { ...parameters }, dpop)
    },
    refresh: (refreshToken, parameters = {}, dpop = {}) =>
      refreshTokenGrant(config, refreshToken, { ...parameters }, dpop),
    clientCredentials: (parameters = {}) => clientCredentialsGrant(config, { ...parameters }),
    revoke: (token, parameters = {}) => tokenRevocation(config, token, { ...parameters }),
    introspect: (token, parameters = {}) => tokenIntrospection(config, token, { ...parameters }),
    userinfo: (accessToken, subject) => fetchUserInfo(config, accessToken, subject),
    endSession: (parameters = {}) => buildEndSessionUrl(config, { ...parameters }),
  }
}
