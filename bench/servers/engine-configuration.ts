import { generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import type { ClientMetadata, Configuration, JWK } from 'oidc-provider'
import { routes } from '../../src/oidc/routes.ts'
import { introspector, machine, people, resourceServers, web } from './scenario.ts'

const keyOf = (alg: string, jwk: JsonWebKey) => ({ ...jwk, alg, use: 'sig', kid: alg }) as JWK

const keys = [
  keyOf(
    'ES256',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  ),
  keyOf(
    'RS256',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  ),
]

export const cookieKey = 'the key of the cookies of the bare engine'

const unseen = () => {
  throw new Error('unexpected request for a page')
}

/** Our clients' metadata as the engine accepts them: without `scope`, which names scopes of resource servers. */
function metadataOf(client: object): ClientMetadata {
  return {
    redirect_uris: [],
    response_types: 'redirect_uris' in client ? ['code'] : [],
    ...client,
    scope: undefined,
  } as unknown as ClientMetadata
}

/** The engine with the same settings as our server, as far as they affect a request, and none of our code. */
export const engineConfiguration: Configuration = {
  clients: [web, machine, introspector].map(metadataOf),
  jwks: { keys },
  cookies: { keys: [cookieKey] },
  routes,
  responseTypes: ['code'],
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub', 'auth_time'],
    profile: ['name', 'preferred_username', 'updated_at'],
    email: ['email', 'email_verified'],
    acr: null,
    amr: null,
    auth_time: null,
    iss: null,
    sid: null,
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: (_ctx, { scopes }) => scopes.has('openid') && !scopes.has('offline_access'),
  findAccount(_ctx, sub) {
    const person = people[Number(sub)]
    if (!person) return undefined
    const claims = { ...person, sub, email_verified: true, updated_at: 1_700_000_000 }
    return { accountId: sub, claims: () => claims }
  },
  ttl: {
    AccessToken: 600,
    ClientCredentials: 600,
    AuthorizationCode: 60,
    IdToken: 600,
    Grant: 31_536_000,
    RefreshToken: 2_592_000,
    Session: 1_209_600,
    Interaction: 3600,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    jwtResponseModes: { enabled: true },
    requestObjects: { enabled: true },
    claimsParameter: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    encryption: { enabled: true },
    dPoP: { enabled: true },
    deviceFlow: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: unseen, postLogoutSuccessSource: unseen },
    resourceIndicators: {
      enabled: true,
      // Without `resource` the token is valid at the userinfo endpoint only, which is the engine's default.
      defaultResource: () => [],
      useGrantedResource: () => true,
      getResourceServerInfo(_ctx, identifier) {
        const server = Object.values(resourceServers).find((each) => each.identifier === identifier)
        if (!server) throw new Error(`no resource server ${identifier}`)
        return {
          scope: server.scopes.join(' '),
          audience: identifier,
          accessTokenTTL: 600,
          accessTokenFormat: server.access_token_format,
          jwt: { sign: { alg: server.access_token_signing_alg } },
        }
      },
    },
  },
}
