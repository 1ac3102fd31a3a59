import Provider, { type Adapter, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { languages } from '../../config/pages.ts'
import { claimsByScope, claimsOf } from '../accounts/account.ts'
import type { ClientMetadata } from '../clients/client.ts'
import { derivedId } from '../secrets/handle.ts'
import { sidOf } from '../sessions/session.ts'
import type { KeySet } from '../signing/key-set.ts'
import { basePathOf } from '../tenants/tenant.ts'
import { claimsFor, sourceOf, traceClaims } from './access-token.ts'
import { createAdapter } from './adapter.ts'
import { isTooWeak, multiFactor } from './authentication-context.ts'
import { applyAuthorizationPolicy } from './authorization-policy.ts'
import { personOf } from './authorization-request.ts'
import { accountHinted } from './backchannel-endpoint.ts'
import type { IssuerContext } from './capabilities.ts'
import { clientAssertionRules } from './client-assertion.ts'
import { followClientKeys } from './client-keys.ts'
import {
  allowsOrigin,
  authenticateBySecret,
  claimsByUse,
  requiresPkce,
  rotates,
} from './client-policy.ts'
import { keepWhatWasShown, loadGrant } from './consent.ts'
import { cookieNames } from './cookie-names.ts'
import { cookieSignatures } from './cookie-signatures.ts'
import { completeDeviceAnswers } from './device-decision.ts'
import { assertNoProof, provesOtherKey } from './dpop-proof.ts'
import { clientRules, type EngineSecrets, type FeaturePages, features } from './features.ts'
import { takeRoomForProof } from './growth.ts'
import { onlyIdTokensAreHints } from './id-token-hint.ts'
import { askingPolicy } from './interaction-policy.ts'
import { lifetimes, mostAhead } from './lifetimes.ts'
import { type ClientCertificates, endpointAliases } from './mtls.ts'
import { newPolledHandle, type PolledModel } from './polling.ts'
import type { ResourceAccess } from './resource-access.ts'
import { routes } from './routes.ts'
import { assertStillEnabled } from './still-enabled.ts'
import type { StructuredTokens } from './structured-tokens.ts'
import { currentTokenRequest, requiredTokenRequest } from './token-request.ts'
import { leaveOutValuelessResources } from './valueless-resources.ts'

export interface ProviderParts extends EngineSecrets {
  context: IssuerContext
  keys: KeySet
  /** Signs cookies. */
  cookieSecret: Buffer
  structured: StructuredTokens
  access: ResourceAccess
  certificates: ClientCertificates
  /** The storage of the engine; by default that of this server. */
  adapter?: (model: string) => Adapter
  /** The pages that the engine has shown; it does not know them itself. */
  pages: FeaturePages
}

/**
 * The engine for one issuer and one set of signing keys. Every default of the engine that is below the bar is raised
 * here (engine.md §6.2, security-bar M4); the engine is rebuilt when the keys change.
 */
export function createProvider(parts: ProviderParts): Provider {
  const { context } = parts
  const provider = new Provider(context.issuer, configuration(parts))
  // This server itself sets the headers from which the engine derives its own address (http/edge.ts).
  provider.proxy = true

  const { tenant, families, sealer, singleUse } = context
  authenticateBySecret(provider, context)
  applyAuthorizationPolicy(provider)
  leaveOutValuelessResources(provider)
  onlyIdTokensAreHints(provider)
  keepWhatWasShown(provider)
  followClientKeys(provider, context.clock)
  // Every ID token names its session, so that a client can be notified when it ends.
  Object.assign(provider.Client.prototype, { includeSid: () => true })
  // The same `sid` whichever of two overlapping requests comes first.
  provider.Session.prototype.ensureClientContainer = function (clientId) {
    if (!this.sidFor(clientId)) this.sidFor(clientId, sidOf(this.uid, clientId))
  }
  // What clients got is kept under their ids, in an object that has nothing else, whatever a client is called.
  const { authorizationFor } = provider.Session.prototype
  provider.Session.prototype.authorizationFor = function (
    ...given: [clientId: string, value?: string]
  ) {
    if (given[1] !== undefined) this.authorizations ??= Object.create(null)
    return Reflect.apply(authorizationFor, this, given)
  }
  // A token names its family, and so is recognised long after its row was purged.
  Object.assign(provider.RefreshToken.prototype, {
    generateTokenId: () => families.newToken(requiredTokenRequest().familyId as string),
  })
  for (const model of ['DeviceCode', 'BackchannelAuthenticationRequest'] as PolledModel[]) {
    const generateTokenId = () => newPolledHandle(model, sealer)
    Object.assign(provider[model].prototype, { generateTokenId })
  }
  completeDeviceAnswers(provider)
  // The `jti` is hashed, as the caller chooses its text and length. It is kept for as long as a clock that is ahead
  // lets it be presented, and a second more, as the engine compares whole seconds.
  provider.ReplayDetection.unique = async (iss, jti, exp) => {
    // The engine then refuses the proof for its key.
    if (await provesOtherKey(Provider.ctx)) return true
    await takeRoomForProof(context, Provider.ctx)
    const key = { tenant, kind: 'jti', key: derivedId(iss, jti) }
    const isFirst = await singleUse.spend(key, (exp + mostAhead + 1) * 1000, true)
    if (!isFirst) assertNoProof(Provider.ctx, jti)
    return isFirst
  }

  return provider
}

function configuration(parts: ProviderParts): Configuration {
  const { context, keys, cookieSecret, access, certificates, pages, structured } = parts
  const { config, tenant, issuer, subjects } = context
  const basePath = basePathOf(issuer)
  const isHttps = issuer.startsWith('https:')
  const cookie = { httpOnly: true, sameSite: 'lax', signed: true, secure: isHttps } as const

  const rules = clientRules(context, keys, certificates, parts)
  return {
    ...rules,
    acrValues: [multiFactor],
    adapter: parts.adapter ?? createAdapter(context, structured, access),
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
    pairwiseIdentifier: (_ctx, accountId, client) =>
      subjects.of(tenant, client.metadata() as ClientMetadata, accountId),
    assertJwtClientAuthClaimsAndHeader: clientAssertionRules(context.clock),
    clientBasedCORS: allowsOrigin,
    cookies: {
      keys: cookieSignatures(cookieSecret),
      names: cookieNames(issuer, tenant),
      long: { ...cookie, path: basePath || '/' },
      short: cookie,
    },
    discovery: {
      ui_locales_supported: [...languages],
      mtls_endpoint_aliases: endpointAliases(config, basePath),
      prompt_values_supported: [
        'none',
        'login',
        'consent',
        'select_account',
        // OpenID Connect Initiating User Registration 1.0 §3.1: clients may rely on what is listed.
        ...(context.canSignUp ? ['create'] : []),
      ],
      // The engine's own feature is off: it would notify clients while the user waits (ADR 0010).
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    },
    features: features(rules, { context, access, basePath, pages }),
    interactions: {
      policy: askingPolicy(context),
      url: (_ctx, interaction) => `${basePath}/interaction/${interaction.uid}`,
    },
    loadExistingGrant: (ctx) => loadGrant(context, access, ctx),
    // A family is the unit of revocation; consent stays until a person withdraws it.
    revokeGrantPolicy: () => false,
    rotateRefreshToken: rotates(config),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: (_ctx, { scopes }) => scopes.has('openid') && !scopes.has('offline_access'),
    renderError: pages.error,
    async findAccount(ctx, sub, source) {
      if (await isTooWeak(context, ctx.oidc.client, source)) return undefined
      const id = await accountHinted(context, ctx, sub)
      const account = id === undefined ? undefined : await activeAccount(context, ctx, id)
      return account && { accountId: account.id, claims: claimsByUse(ctx, claimsOf(account)) }
    },
    // Called after the engine has dated the token.
    extraTokenClaims: async (_ctx, token) => {
      if (token.kind === 'ClientCredentials') await assertStillEnabled(context, token.clientId)
      return { ...traceClaims(tenant, token, currentTokenRequest()?.familyId) }
    },
    formats: {
      customizers: {
        // RFC 9068 §2.2.1: how the person was authenticated. Claims that were asked of userinfo go into the token, as
        // nothing of it is stored.
        jwt(ctx, token, jwt) {
          const { authTime, acr, amr } = sourceOf(ctx) ?? {}
          const wanted = Object.keys(claimsFor(ctx, token)?.userinfo ?? {})
          Object.assign(jwt.payload, {
            auth_time: authTime,
            acr,
            amr,
            userinfo_claims: wanted.length > 0 ? wanted : undefined,
          })
        },
      },
    },
    ttl: lifetimes(context),
  }
}

/** An active account: as it was read with the presented family, or with the grant to the client, else looked up. */
async function activeAccount(context: IssuerContext, ctx: KoaContextWithOIDC, id: string) {
  const presented = currentTokenRequest()?.account
  const person = presented?.id === id ? undefined : await personOf(context, ctx, id)
  if (person === 'nobody') return undefined
  const known = presented?.id === id ? presented : person?.account
  if (!known) return context.accounts.active(context.tenant, id)
  return known.disabled ? undefined : known
}
