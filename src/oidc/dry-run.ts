import type { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type Provider from 'oidc-provider'
import type { Adapter, KoaContextWithOIDC } from 'oidc-provider'
import { type DomainError, isDomainError } from '../errors.ts'
import type { CheckName } from '../refusals/checks.ts'
import { maskAddress } from '../refusals/mask.ts'
import { locate } from '../tenants/locate.ts'
import { basePathOf, defaultTenant, issuerOf } from '../tenants/tenant.ts'
import { clientAdapter } from './adapters/client.ts'
import { inert, nothing } from './adapters/inert.ts'
import { pushedRequestAdapter } from './adapters/pushed-request.ts'
import { askedScope } from './authorization-policy.ts'
import type { Capabilities, IssuerContext } from './capabilities.ts'
import { hintsOf } from './dry-run-hints.ts'
import { type Draft, mendDraft } from './dry-run-mends.ts'
import { type Asked, type LeftOutScope, leftOutScopes } from './left-out-scopes.ts'
import { noCertificates } from './mtls.ts'
import { createProvider } from './provider.ts'
import { type EngineError, refusedCheck } from './refused-checks.ts'
import { refusedValues, type Values } from './refused-values.ts'
import { createResourceAccess } from './resource-access.ts'
import { routes } from './routes.ts'
import { createStructuredTokens } from './structured-tokens.ts'

/** A check that an authorization request would fail. */
export interface Fault extends Values {
  check: CheckName
  error: string
  reason?: string | undefined
}

export interface DryRun {
  tenant: string
  clientId: string | undefined
  faults: Fault[]
  /** Scopes that are no fault but have no effect. */
  leftOut: LeftOutScope[]
  /** Other things that are no fault but seldom meant, in sentences. */
  hints: string[]
  /** Whether every check was reached: a fault that cannot be mended hides those behind it. */
  complete: boolean
}

/** Faults whose correction replaces the requested scopes or resources. */
const asksAnew: ReadonlySet<CheckName> = new Set([
  'scope_characters',
  'scope_known',
  'scope_allowed',
  'resource_uri',
  'resource_known',
  'resource_allowed',
  'resource_single',
])

/** Bound of the loop: more than a request has parameters that can be wrong. */
const mostRounds = 30

/**
 * Walks an authorization request through every check of the real engine, without a signed-in person and without side
 * effects: nothing is stored, no limit is charged, no pushed request or `jti` is used up. After each fault the request
 * is mended and walked again, so that all faults are found.
 * @param address where a client sends a browser
 * @param mostParameters most parameters that the server takes
 */
export async function dryRun(
  capabilities: Capabilities,
  address: URL,
  mostParameters: number,
): Promise<DryRun> {
  const { config, tenants } = capabilities
  const located = locate(address.pathname + address.search, basePathOf(config.issuer))
  const { tenant = defaultTenant, url } = located
  const issuer = issuerOf(config.issuer, tenant)
  const tooMuch = tooMuchIn(address, config.headerLimit, mostParameters)
  if (tooMuch)
    return {
      tenant,
      clientId: undefined,
      faults: [tooMuch],
      leftOut: [],
      hints: [],
      complete: false,
    }
  const params = new URLSearchParams(address.search)
  const clientId = params.get('client_id') ?? undefined
  const faults: Fault[] = []
  const endpoint = issuer + routes.authorization
  const found = await tenants.find(tenant)
  if (!found) {
    const expected = 'an enabled tenant'
    faults.push({ check: 'tenant_known', error: 'not_found', expected, received: tenant })
    return { tenant, clientId, faults, leftOut: [], hints: [], complete: false }
  }
  if (address.origin + address.pathname !== endpoint || !url.startsWith(routes.authorization)) {
    const received = maskAddress(address.origin + address.pathname)
    faults.push({ check: 'authorize_address', error: 'not_found', expected: endpoint, received })
  }
  const draft: Draft = { params, lifted: new Set(), client: undefined }
  // Whether a user is signed in is unknown, so the rest is checked without `prompt=none`.
  if (params.get('prompt') === 'none') params.delete('prompt')
  const canSignUp = found.signUp.mode === 'open' && capabilities.mail.isOn
  const walk = await rehearsal({ ...capabilities, tenant, issuer, canSignUp }, draft)
  let asked: Asked = {}
  let complete = false
  for (let round = 0; round < mostRounds && !complete; round++) {
    const { fault, read } = await walk()
    if (!faults.some(({ check }) => asksAnew.has(check))) asked = read ?? asked
    complete = fault === undefined
    if (fault) faults.push(fault)
    if (fault && !mendDraft(draft, fault)) break
  }
  // If no scope exists, that is the fault already.
  const leftOut = faults.some(({ check }) => check === 'scope_known')
    ? []
    : leftOutScopes(asked, await capabilities.resources.list(tenant))
  const hints = hintsOf(asked, new URLSearchParams(address.search), draft.client)
  return { tenant, clientId, faults, leftOut, hints, complete }
}

/** Refuses what no real request gets past, without a walk: an operator's paste must not keep the server busy (C18). */
function tooMuchIn(
  { pathname, search }: URL,
  headerLimit: number,
  mostParameters: number,
): Fault | undefined {
  const bytes = pathname.length + search.length
  if (bytes > headerLimit) {
    const expected = `at most ${headerLimit} bytes, including all headers`
    const received = `${bytes} bytes`
    return { check: 'authorize_address', error: 'request_too_large', expected, received }
  }
  const count = search.split('&').length
  if (count <= mostParameters) return undefined
  const expected = `at most ${mostParameters} parameters`
  const received = `${count} parameters`
  return { check: 'too_many_parameters', error: 'invalid_request', expected, received }
}

/** An engine over storage that keeps nothing. @returns walks the draft as it is when called */
async function rehearsal(context: IssuerContext, draft: Draft) {
  const { tenant, issuer, signing, sharedSecrets } = context
  const keys = await signing.open(tenant)
  const [dpop, encryption] = await Promise.all(
    (['dpop', 'encryption'] as const).map((name) => sharedSecrets.get(tenant, name)),
  )
  const answer = (ctx: KoaContextWithOIDC) => void (ctx.body = '')
  const provider = createProvider({
    context,
    keys,
    cookieSecret: Buffer.from('of nobody'),
    dpop: dpop as Buffer,
    encryption: encryption as Buffer,
    structured: createStructuredTokens(context, keys),
    access: createResourceAccess(context),
    certificates: noCertificates,
    pages: { error: answer, logout: answer, signedOut: answer, device: answer },
    adapter: (model) => forgetful(model, context, draft),
  })
  provider.ReplayDetection.unique = async () => true
  return () => ask(provider, issuer, draft)
}

/** Reads what a request is checked against; writes nothing. */
function forgetful(model: string, context: IssuerContext, draft: Draft): Adapter {
  const none: Adapter = { ...inert, find: nothing, upsert: nothing }
  if (model === 'PushedAuthorizationRequest')
    return { ...none, find: pushedRequestAdapter(context).find }
  if (model !== 'Client') return none
  const clients = clientAdapter(context)
  return {
    ...none,
    async find(id) {
      const found = await clients.find(id)
      draft.client = found ?? undefined
      const lifted = [...draft.lifted].map((member) => [member, undefined])
      return found && { ...found, ...Object.fromEntries(lifted) }
    },
  }
}

/** @returns the fault, if there is one, and what the engine had read by then */
async function ask(
  provider: Provider,
  issuer: string,
  { params }: Draft,
): Promise<{ fault: Fault | undefined; read: Asked | undefined }> {
  const { host, protocol } = new URL(issuer)
  const request = new IncomingMessage(new Socket())
  Object.assign(request, {
    method: 'GET',
    url: `${routes.authorization}?${params.toString()}`,
    headers: { host, 'x-forwarded-proto': protocol.slice(0, -1), accept: 'text/html' },
  })
  let fault: Fault | undefined
  let read: Asked | undefined
  const keep = (ctx: KoaContextWithOIDC) => {
    read = ctx.oidc?.params
    const scope = [...askedScope(ctx)].join(' ')
    if (scope !== '') read = { ...read, scope }
  }
  const note = (ctx: KoaContextWithOIDC, error: EngineError) => {
    keep(ctx)
    const check = refusedCheck(error, ctx.oidc?.route)
    const reason = error.error_detail ?? error.error_description
    fault = { check, error: error.message, reason, ...refusedValues(check, ctx) }
  }
  const fail = (ctx: KoaContextWithOIDC, error: Error) => {
    keep(ctx)
    fault = isDomainError(error) ? ownFault(error) : { ...broken, reason: error.message }
  }
  const events: EventEmitter = provider
  events.once('authorization.error', note).once('server_error', fail)
  events.once('interaction.started', keep)
  await provider.callback()(request, new ServerResponse(request))
  events.off('authorization.error', note).off('server_error', fail)
  events.off('interaction.started', keep)
  return { fault, read }
}

const broken = { check: 'internal', error: 'server_error' } as const

/** A fault that a callback of this server threw. */
function ownFault({ code, oauth, detail, message }: DomainError): Fault {
  const { expected, received } = typeof detail === 'object' ? detail : {}
  return {
    check: code,
    error: oauth,
    reason: message,
    ...(typeof expected === 'string' ? { expected } : {}),
    ...(typeof received === 'string' ? { received } : {}),
  }
}
