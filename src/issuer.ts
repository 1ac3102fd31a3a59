import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Middleware } from 'koa'
import { passwordResetMethods, passwordResetRoutes } from './account/password-reset.routes.ts'
import { accountMethods, accountRoutes } from './account/routes.ts'
import { adminApi } from './admin/api.ts'
import { checkedMetadata } from './clients/client.ts'
import { createDirect, notAskedTwice } from './direct/direct.ts'
import { createPlainHandlers } from './direct/handlers.ts'
import { registrationMethods, registrationRoutes } from './endpoints/registration.routes.ts'
import {
  revocationRoutes,
  revocationsMetadata,
  revocationsMethods,
} from './endpoints/revocations.routes.ts'
import { signalRoutes, signalsMethods } from './endpoints/signals.routes.ts'
import { waits } from './http/admission.ts'
import { seeOther } from './http/answer.ts'
import { type Csrf, createCsrf } from './http/csrf.ts'
import { answerErrors, type RefusalPage, reportFault } from './http/errors.ts'
import { securityHeaders, securityHeadersOf } from './http/headers.ts'
import { healthRoutes } from './http/health.ts'
import { allowedMethods } from './http/methods.ts'
import { mountedAt, thereIsOnly } from './http/mounted.ts'
import { mutualPortServes } from './http/mutual-port.ts'
import { limitBody, limitParameters } from './http/parameters.ts'
import { postedNavigation } from './http/posted-navigation.ts'
import type { Probes } from './http/probes.ts'
import { createPublished } from './http/published.ts'
import { requestIdOf, requestLog } from './http/request.ts'
import { exactSpelling } from './http/spelling.ts'
import { serveAssets } from './http/static.ts'
import { createClientLogos } from './interaction/client-logos.ts'
import { deviceMethods, deviceRoutes } from './interaction/device.routes.ts'
import { enginePages } from './interaction/engine-pages.ts'
import { dressHandover, takeHandover } from './interaction/handover.ts'
import { showHeldErrors } from './interaction/held-errors.ts'
import { carryLanguage } from './interaction/logout-language.ts'
import { pageContexts } from './interaction/pages/context.ts'
import { errorPage } from './interaction/pages/error.ts'
import { ownAddress } from './interaction/pages/layout.ts'
import type { PageParts } from './interaction/parts.ts'
import { noteDomainError } from './interaction/refusals.ts'
import { interactionMethods, interactionRoutes } from './interaction/routes.ts'
import { createTheme } from './interaction/theme.ts'
import { createBackchannelDecisions } from './oidc/backchannel-decision.ts'
import { createBrowserSession } from './oidc/browser-session.ts'
import type { Capabilities, IssuerContext } from './oidc/capabilities.ts'
import { countFailedAuthentication } from './oidc/client-guessing.ts'
import { cookieNames } from './oidc/cookie-names.ts'
import { cookieSignatures } from './oidc/cookie-signatures.ts'
import { settleDecisions } from './oidc/device-decision.ts'
import { createDeviceVerification } from './oidc/device-verification.ts'
import { correctErrorCodes } from './oidc/error-codes.ts'
import { noteHeldErrors } from './oidc/held-errors.ts'
import { signatureOfHost } from './oidc/host-signatures.ts'
import { createInteractions } from './oidc/interactions.ts'
import { keyRefusals } from './oidc/key-refusals.ts'
import { answerLogoutOfNobody } from './oidc/logout-of-nobody.ts'
import { type ClientCertificates, mutualPaths } from './oidc/mtls.ts'
import { plainOpaque } from './oidc/plain-opaque.ts'
import { createPlainTokens } from './oidc/plain-tokens.ts'
import { plainUserinfo } from './oidc/plain-userinfo.ts'
import { createProvider } from './oidc/provider.ts'
import { publishedKeys } from './oidc/published-keys.ts'
import { publishedMetadata } from './oidc/published-metadata.ts'
import { logRefusals } from './oidc/refusals.ts'
import { noteRegisteredUse } from './oidc/registered-use.ts'
import { createResourceAccess } from './oidc/resource-access.ts'
import { beginnings, routes } from './oidc/routes.ts'
import { createSecretClients } from './oidc/secret-clients.ts'
import { introspectionJwt, structuredEndpoints } from './oidc/structured-endpoints.ts'
import { createStructuredTokens } from './oidc/structured-tokens.ts'
import { tokenTransaction } from './oidc/token-endpoint.ts'
import type { KeySet } from './signing/key-set.ts'
import { basePathOf, defaultTenant, issuerOf, type SignUp } from './tenants/tenant.ts'

/** Answers requests to one issuer. Their `url` is the path below the issuer. */
export type IssuerHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface IssuerSecrets {
  keys: KeySet
  cookies: Buffer
  csrf: Buffer
  dpop: Buffer
  encryption: Buffer
}

const discovery = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

/** The route templates of an issuer, without the admin API. Assets share one template. */
export const addresses = () => [...Object.keys(methods), ...Object.keys(assetMethods)]

/** The methods that each route takes. */
const methods = {
  [routes.authorization]: ['GET', 'HEAD', 'POST'],
  [`${routes.authorization}/:uid`]: ['GET', 'HEAD'],
  [routes.pushed_authorization_request]: ['POST', 'OPTIONS'],
  [routes.token]: ['POST', 'OPTIONS'],
  [routes.userinfo]: ['GET', 'HEAD', 'POST', 'OPTIONS'],
  [routes.jwks]: ['GET', 'HEAD', 'OPTIONS'],
  [routes.introspection]: ['POST', 'OPTIONS'],
  [routes.revocation]: ['POST', 'OPTIONS'],
  [routes.device_authorization]: ['POST', 'OPTIONS'],
  [routes.backchannel_authentication]: ['POST'],
  [routes.end_session]: ['GET', 'HEAD', 'POST'],
  [`${routes.end_session}/confirm`]: ['GET', 'HEAD', 'POST'],
  [`${routes.end_session}/success`]: ['GET', 'HEAD'],
  ...Object.fromEntries(discovery.map((path) => [path, ['GET', 'HEAD', 'OPTIONS']])),
  ...interactionMethods,
  ...deviceMethods,
  ...accountMethods,
  ...passwordResetMethods,
  ...registrationMethods,
  ...revocationsMethods,
  ...signalsMethods,
  '/healthz': ['GET', 'HEAD'],
  '/readyz': ['GET', 'HEAD'],
}

const assetMethods = { '/assets/:name': ['GET', 'HEAD'], '/favicon.ico': ['GET', 'HEAD'] }

/** Endpoints for programs. They always answer JSON, whatever `Accept` says: programs parse without looking (K-25). */
const forPrograms = new Set<string>([
  routes.pushed_authorization_request,
  routes.token,
  routes.userinfo,
  routes.jwks,
  routes.introspection,
  routes.revocation,
  routes.device_authorization,
  routes.backchannel_authentication,
  routes.registration,
  ...discovery,
])

const jsonForPrograms: Middleware = (ctx, next) => {
  const isJwt = ctx.path === routes.introspection && ctx.get('accept').includes(introspectionJwt)
  if (isJwt) ctx.headers.accept = introspectionJwt
  else if (forPrograms.has(ctx.path) || ctx.path.startsWith(`${routes.registration}/`))
    ctx.headers.accept = 'application/json'
  return next()
}

/** Which clients are accepted without being declared by an operator. */
export interface TakenClients {
  /** They register themselves (RFC 7591). */
  registered: boolean
  /** Their `client_id` is the address of a document. */
  documents: boolean
}

/** Discovery metadata that the engine does not know (RFC 8414 §2, OAuth Client ID Metadata Document §5, P-092). */
function ownMetadata(issuer: string, { registered, documents }: TakenClients) {
  return {
    ...revocationsMetadata(issuer),
    ...(registered ? { registration_endpoint: `${issuer}${routes.registration}` } : {}),
    ...(documents ? { client_id_metadata_document_supported: true } : {}),
  }
}

/**
 * Composes one issuer: the engine, our pages, and the middleware in front of both.
 * @param options probes: of the process; takes: which undeclared clients are accepted, as discovery states; servesOnly:
 *   the only paths that this issuer serves
 */
export function createIssuer(
  capabilities: Capabilities,
  { tenant, signUp }: { tenant: string; signUp: SignUp['mode'] },
  secrets: IssuerSecrets,
  {
    certificates,
    probes,
    takes,
    servesOnly,
  }: {
    certificates: ClientCertificates
    probes: Probes
    takes: TakenClients
    servesOnly?: readonly string[]
  },
): IssuerHandler {
  const { config, log } = capabilities
  const issuer = issuerOf(config.issuer, tenant)
  const canSignUp = signUp === 'open' && capabilities.mail.isOn
  const context: IssuerContext = { ...capabilities, tenant, issuer, canSignUp }
  const basePath = basePathOf(issuer)
  const isHttps = issuer.startsWith('https:')
  const { theme, assets } = createTheme(config, basePath)
  const pageContext = pageContexts({
    basePath,
    theme,
    language: config.language,
  })
  const refusalPage: RefusalPage = (ctx, refusal) =>
    errorPage(pageContext(ctx), {
      ...refusal,
      time: context.clock.now(),
      startAgain: ctx.state['startAgain'] as string | undefined,
    })

  const access = createResourceAccess(context)
  const structured = createStructuredTokens(context, secrets.keys)
  const pages = enginePages(context, pageContext, refusalPage, async (ctx) => {
    if (!(await session.find(ctx))) return false
    seeOther(ctx, ownAddress(pageContext(ctx), '/account'))
    return true
  })
  const provider = createProvider({
    context,
    keys: secrets.keys,
    cookieSecret: secrets.cookies,
    dpop: secrets.dpop,
    encryption: secrets.encryption,
    structured,
    access,
    certificates,
    pages,
  })
  logRefusals(provider, context, requestIdOf, reportFault)
  correctErrorCodes(provider)
  const heldErrors = noteHeldErrors(provider)

  const csrf = createCsrf({ secret: secrets.csrf, issuer })
  const cookies = cookieNames(issuer, tenant)
  const session = createBrowserSession(provider, context, {
    name: cookies.session,
    path: basePath || '/',
    secure: isHttps,
  })
  const clientName = async (clientId: string) => {
    const client = await context.clientDocuments.find(tenant, clientId)
    return client && checkedMetadata(client).data?.client_name
  }
  const parts: PageParts = {
    ...context,
    basePath,
    csrf,
    interactions: createInteractions(provider, context),
    session,
    devices: createDeviceVerification(provider, context, {
      basePath,
      cookie: { name: cookies.resume, secure: isHttps },
    }),
    decisions: createBackchannelDecisions(provider, context),
    knownCookie: { name: cookies.known, path: basePath || '/', secure: isHttps },
    signUpCookie: { name: cookies.signUp, path: basePath || '/', secure: isHttps },
    deviceCookie: { name: cookies.device, path: `${basePath}/device`, secure: isHttps },
    clientCookie: { name: cookies.client, secure: isHttps },
    recoveryCookie: { name: cookies.recovery, path: `${basePath}/password`, secure: isHttps },
    pageContext,
    clientName,
    showLogo: createClientLogos(context),
  }
  const api = { context, structured, certificates, basePath }

  const published = createPublished([routes.jwks, ...discovery], {
    log,
    maxAge: config.jwksMaxAge,
    headers: securityHeadersOf({ isHttps }),
  })

  // Order is security: each line may rely on those above it.
  install(provider, [
    mountedAt(basePath),
    ...(isHttps && basePath
      ? [
          signatureOfHost(cookies.session, cookies.sessionSignature, {
            basePath,
            signatures: cookieSignatures(secrets.cookies),
          }),
        ]
      : []),
    requestLog(log),
    securityHeaders({ isHttps }),
    published.keep,
    jsonForPrograms,
    answerErrors(log, refusalPage, (ctx, error) => noteDomainError(context, ctx, error)),
    ...(tenant === defaultTenant ? [adminApi({ ...api, pageContext })] : []),
    ...(servesOnly ? [thereIsOnly(servesOnly)] : []),
    limitBody(config.bodyLimit),
    limitParameters(beginnings),
    exactSpelling(Object.keys(methods)),
    mutualPortServes([...mutualPaths, ...Object.keys(signalsMethods)]),
    allowedMethods({ ...methods, ...assetMethods }),
    postedNavigation([routes.authorization, routes.end_session], { ...config, basePath }),
    healthRoutes(context, probes),
    serveAssets(assets),
    publishedKeys(secrets.keys, secrets.encryption),
    publishedMetadata(discovery, ownMetadata(issuer, takes)),
    signsWhileFresh(context),
    notAskedTwice,
    registrationRoutes(context),
    revocationRoutes(api),
    signalRoutes(api),
    interactionRoutes(parts),
    deviceRoutes(parts),
    accountRoutes(parts),
    passwordResetRoutes(parts),
    dressHandover(pageContext),
    showHeldErrors(heldErrors, (ctx, refusal, wayBack) =>
      errorPage(pageContext(ctx), { ...refusal, wayBack, time: context.clock.now() }),
    ),
    carryLanguage(issuer, pageContext),
    answerLogoutOfNobody(issuer, (ctx) => takeHandover(ctx) !== undefined),
    ownPagesOnly(`${routes.end_session}/confirm`, csrf, (ctx) =>
      seeOther(ctx, ownAddress(pageContext(ctx), routes.end_session)),
    ),
    settleDecisions(context, pages),
    countFailedAuthentication(context),
    keyRefusals(provider, context, certificates),
    noteRegisteredUse(context),
    tokenTransaction(context),
    structuredEndpoints(provider, context, structured, access, requestIdOf),
  ])
  const handle = provider.callback()
  const clients = createSecretClients(provider, context)
  const takesPlain = servesOnly
    ? undefined
    : createDirect(context, {
        clients,
        handlers: createPlainHandlers(context, {
          keys: secrets.keys,
          access,
          structured,
          tokens: createPlainTokens(provider, context, secrets.keys, access),
          opaque: plainOpaque(provider, context, access),
          userinfo: plainUserinfo(provider, context, clients),
        }),
      })
  return (request, response) => {
    if (published.answer(request, response)) return
    const handOver = () => void handle(request, response).then(() => response.emit(waits))
    if (!takesPlain?.(request, response, handOver)) handOver()
  }
}

/** Refuses what may need a signature while the signing keys are stale. @throws DomainError `signing_keys_stale` */
function signsWhileFresh({ signing }: IssuerContext): Middleware {
  return (ctx, next) => {
    if (ctx.path === routes.token || ctx.path === routes.introspection) signing.assertFresh()
    return next()
  }
}

function install(app: { use(middleware: Middleware): unknown }, table: Middleware[]): void {
  for (const middleware of table) app.use(middleware)
}

/**
 * Checks the origin of a posted engine form; the engine checks only the form's own token (security class C23).
 * @param toForm answers GET, which the engine does not serve at that path
 */
function ownPagesOnly(path: string, csrf: Csrf, toForm: (ctx: Context) => void): Middleware {
  return (ctx, next) => {
    if (ctx.path !== path) return next()
    if (ctx.method !== 'POST') return toForm(ctx)
    csrf.checkOrigin(ctx)
    return next()
  }
}
