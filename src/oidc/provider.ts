import Provider, {
  type Configuration,
  type Client as EngineClient,
  type ErrorOut,
  errors,
  interactionPolicy,
  type JWK,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { Config } from '../../config/config.ts'
import { claimsByScope, claimsOf } from '../accounts/account.ts'
import { sidOf } from '../sessions/session.ts'
import type { OpenSigningKey } from '../signing/signing-keys.ts'
import { traceClaims } from './access-token.ts'
import { createAdapter } from './adapter.ts'
import { ownMembers } from './adapters/client.ts'
import type { IssuerContext } from './capabilities.ts'
import { loadGrant } from './consent.ts'
import { refreshPolicy } from './refresh-policy.ts'
import type { ResourceAccess } from './resource-access.ts'
import type { StructuredTokens } from './structured-tokens.ts'
import { currentTokenRequest, requiredTokenRequest } from './token-request.ts'

/** What the engine lets a person see; made by the pages, which the engine does not know. */
export interface EnginePages {
  error(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): void
  logout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): void | Promise<void>
  signedOut(ctx: KoaContextWithOIDC): void | Promise<void>
}

export interface ProviderParts {
  context: IssuerContext
  keys: OpenSigningKey[]
  cookieKeys: string[]
  /** 32 bytes; makes the nonces of DPoP proofs, alike on every node (RFC 9449 §8). */
  nonceSecret: Buffer
  structured: StructuredTokens
  access: ResourceAccess
  pages: EnginePages
}

/** Where the endpoints are, below the issuer. */
export const routes = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  introspection: '/introspect',
  revocation: '/revoke',
  end_session: '/logout',
}

const foreverSeconds = 100 * 365 * 24 * 3600

/**
 * The engine for one issuer and one set of signing keys. Every default of the engine that is below the bar is raised
 * here (engine.md §6.2, security-bar M4); the engine is rebuilt when the keys change.
 */
export function createProvider(parts: ProviderParts): Provider {
  const { context } = parts
  const provider = new Provider(context.issuer, configuration(parts))
  // What the engine reads of a request about its own address was put there by us (http/edge.ts).
  provider.proxy = true

  const { tenant, clients, families, singleUse } = context
  provider.Client.prototype.compareClientSecret = async function (this: EngineClient, secret) {
    // The engine takes the two ways to send a secret for one; registered is the one that counts (P-043).
    const inBody = Provider.ctx?.oidc.params?.['client_secret'] !== undefined
    if (inBody !== (this.clientAuthMethod === 'client_secret_post')) {
      throw new errors.InvalidClientAuth(
        `client is registered for ${this.clientAuthMethod}, the secret came ${inBody ? 'in the body' : 'as Basic'}`,
      )
    }
    const client = await clients.find(tenant, this.clientId)
    return client !== undefined && clients.secretFits(client, secret)
  }
  // Every ID token names its session, so that a client can be told when it ends.
  Object.assign(provider.Client.prototype, { includeSid: () => true })
  // The same `sid` whichever of two overlapping requests comes first.
  provider.Session.prototype.ensureClientContainer = function (clientId) {
    if (!this.sidFor(clientId)) this.sidFor(clientId, sidOf(this.uid, clientId))
  }
  // A token names its family, so that it is recognised when its row is long gone.
  Object.assign(provider.RefreshToken.prototype, {
    generateTokenId: () => families.newToken(requiredTokenRequest().familyId as string),
  })
  provider.ReplayDetection.unique = (iss, jti, exp) =>
    singleUse.spend({ tenant, kind: 'jti', key: JSON.stringify([iss, jti]) }, exp * 1000, true)

  return provider
}

function configuration(parts: ProviderParts): Configuration {
  const { context, keys, cookieKeys, access, pages, structured } = parts
  const { config, tenant, issuer, accounts, clock } = context
  const { pathname, protocol } = new URL(issuer)
  const basePath = pathname === '/' ? '' : pathname
  const isHttps = protocol === 'https:'
  const cookie = { httpOnly: true, sameSite: 'lax', signed: true, secure: isHttps } as const

  const rules = clientRules(keys, parts.nonceSecret)
  return {
    ...rules,
    adapter: createAdapter(context, structured, access),
    routes,
    claims: {
      ...claimsByScope,
      // Every ID token says when the person signed in, so that those of a session can be compared (K-26, P-058).
      openid: [...claimsByScope.openid, 'auth_time'],
      acr: null,
      amr: null,
      auth_time: null,
      iss: null,
      sid: null,
    },
    allowOmittingSingleRegisteredRedirectUri: false,
    pkce: { required: requiresPkce },
    clientBasedCORS: allowsOrigin,
    cookies: {
      keys: cookieKeys,
      names: cookieNames(tenant, isHttps),
      long: { ...cookie, path: basePath || '/' },
      short: cookie,
    },
    features: {
      ...rules.features,
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => access.mayIntrospect(client.clientId, token),
      },
      revocation: { enabled: true, allowedPolicy: ownTokensOnly },
      resourceIndicators: {
        enabled: true,
        defaultResource: access.defaultResource,
        getResourceServerInfo: access.getResourceServerInfo,
        useGrantedResource: () => true,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx) =>
          pages.logout(ctx, {
            action: `${basePath}${routes.end_session}/confirm`,
            xsrf: (ctx.oidc.session as unknown as { state: { secret: string } }).state.secret,
          }),
        postLogoutSuccessSource: pages.signedOut,
      },
    },
    interactions: {
      policy: interactionPolicy.base(),
      url: (_ctx, interaction) => `${basePath}/interaction/${interaction.uid}`,
    },
    loadExistingGrant: (ctx) => loadGrant(context, access, ctx),
    // A family is the unit of revocation; consent stays until a person withdraws it.
    revokeGrantPolicy: () => false,
    rotateRefreshToken: rotates(config),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: (_ctx, { scopes }) => scopes.has('openid') && !scopes.has('offline_access'),
    renderError: pages.error,
    async findAccount(_ctx, sub) {
      const account = await accounts.active(tenant, sub)
      return account && { accountId: account.id, claims: () => claimsOf(account) }
    },
    extraTokenClaims: (_ctx, token) => ({
      ...traceClaims(tenant, token, currentTokenRequest()?.familyId),
    }),
    formats: {
      customizers: {
        // RFC 9068 §2.2.1: how the person was authenticated, where there is one.
        jwt(ctx, _token, jwt) {
          const source = ctx?.oidc.entities.AuthorizationCode ?? ctx?.oidc.entities.RefreshToken
          const { authTime, acr, amr } = source ?? {}
          Object.assign(jwt.payload, { auth_time: authTime, acr, amr })
        },
      },
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? config.accessTokenTtl,
      ClientCredentials: config.accessTokenTtl,
      AuthorizationCode: config.authorizationCodeTtl,
      IdToken: config.idTokenTtl,
      Interaction: config.interactionTtl,
      Grant: foreverSeconds,
      RefreshToken(_ctx, token, client) {
        const { idleTtl, absoluteTtl } = refreshPolicy(config, client)
        const startedAt = token.iiat ?? clock.seconds()
        return atLeastOne(Math.min(idleTtl, startedAt + absoluteTtl - clock.seconds()))
      },
      Session: (_ctx, session) =>
        atLeastOne(
          session.loginTs === undefined
            ? config.interactionTtl
            : Math.min(
                config.sessionIdleTtl,
                session.loginTs + config.sessionAbsoluteTtl - clock.seconds(),
              ),
        ),
    },
  }
}

/** The part of the configuration that decides what a client may register. */
export function clientRules(keys: OpenSigningKey[], nonceSecret?: Buffer) {
  return {
    jwks: { keys: keys.map(({ privateJwk }) => privateJwk as JWK) },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    subjectTypes: ['public'],
    scopes: ['openid', 'offline_access'],
    extraClientMetadata: { properties: [...ownMembers] },
    features: {
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: true, ...(nonceSecret ? { nonceSecret } : {}) },
      clientCredentials: { enabled: true },
    },
  } satisfies Configuration
}

/** A public client's token that is not bound to a key rotates whatever its policy says (RFC 9700 §4.14.2). */
function rotates(config: Config) {
  return ({ oidc: { client, entities } }: KoaContextWithOIDC): boolean => {
    const isBound =
      client?.clientAuthMethod !== 'none' || entities.RefreshToken?.isSenderConstrained() === true
    return refreshPolicy(config, client).rotates || !isBound
  }
}

/** The engine accepts no lifetime below a second; what lives one second is over. */
function atLeastOne(seconds: number): number {
  return Math.max(1, Math.floor(seconds))
}

/** Cookies of one tenant are not read by another on the same host; the prefix refuses plain http (RFC 6265bis §4.1.3). */
export function cookieNames(tenant: string, isHttps: boolean) {
  const prefix = `${isHttps ? '__Secure-' : ''}keyturn.${tenant}`
  return {
    session: `${prefix}.session`,
    interaction: `${prefix}.interaction`,
    resume: `${prefix}.resume`,
  }
}

/**
 * PKCE is required of everybody; a confidential client may carry an exemption, then `nonce` is mandatory
 * (OAuth 2.1 §4.1.1, K-04).
 */
function requiresPkce(ctx: KoaContextWithOIDC, client: EngineClient): boolean {
  if (client['require_pkce'] !== false || client.clientAuthMethod === 'none') return true
  if (ctx.oidc.params?.['nonce'] === undefined) {
    throw new errors.InvalidRequest('nonce is required where PKCE is not used')
  }
  return false
}

/** RFC 7009 §2.1: the token must have been issued to the client that wants it revoked. */
function ownTokensOnly(
  _ctx: KoaContextWithOIDC,
  client: EngineClient,
  token: { clientId?: string | undefined },
): boolean {
  if (token.clientId === client.clientId) return true
  throw new errors.InvalidRequest('client is not authorized to revoke the presented token')
}

/** Browser apps call from the origins of their redirect URIs; userinfo may be called by any client's (K-23). */
function allowsOrigin(ctx: KoaContextWithOIDC, origin: string, client: EngineClient): boolean {
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false
  return (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin)
}
