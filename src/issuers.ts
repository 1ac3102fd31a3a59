import { setTimeout as pause } from 'node:timers/promises'
import { revocationsMethods } from './endpoints/revocations.routes.ts'
import type { Target } from './http/admission.ts'
import { createProbes } from './http/probes.ts'
import { withoutQuery } from './http/spelling.ts'
import {
  createIssuer,
  type IssuerHandler,
  type IssuerSecrets,
  type TakenClients,
} from './issuer.ts'
import type { Capabilities } from './oidc/capabilities.ts'
import type { ClientCertificates } from './oidc/mtls.ts'
import type { RegistrationPolicy } from './registration/policy.ts'
import type { KeySet } from './signing/key-set.ts'
import { requiredAlgs } from './signing/signing-key.ts'
import { locate } from './tenants/locate.ts'
import { basePathOf, defaultTenant, noSignUp, type SignUp } from './tenants/tenant.ts'

/** All issuers that this process serves; each is built at its first request. */
export interface Issuers {
  /** The tenant of a URL, as far as it is known without a query. */
  target(url: string): Target
  /** The handler of the issuer, if this process has it in memory; serves URLs below the issuer. */
  known(target: Target): IssuerHandler | undefined
  /** The same, after any queries that are needed; undefined if there is no such issuer. */
  find(target: Target): Promise<IssuerHandler | undefined>
}

/**
 * Milliseconds for which an issuer serves without checking its tenant again, which is usually in memory. They add to
 * the half second that a change on another node takes to arrive (ADR 0024); one second is promised.
 */
const maxAge = 100
/**
 * Milliseconds that a request waits for Postgres to confirm a tenant: while Postgres does not answer, the known issuer
 * continues to serve.
 */
const patience = 200

interface Built {
  handler: IssuerHandler
  keys: KeySet
  signUp: SignUp['mode']
  takes: TakenClients
  secrets: Omit<IssuerSecrets, 'keys'>
}

export function createIssuers(
  capabilities: Capabilities,
  certificates: ClientCertificates,
): Issuers {
  const { clock, config, log, registrationPolicies, sharedSecrets, signing, tenants } = capabilities
  const basePath = basePathOf(config.issuer)
  const probes = createProbes(capabilities)
  const built = new Map<string, Built>()
  const suspended = new Map<string, Pick<Built, 'handler' | 'keys'>>()
  const seen = new Map<string, number>()
  const modes = new Map<string, SignUp['mode']>()
  const taking = new Map<string, TakenClients>()

  async function secretsOf(tenant: string): Promise<Omit<IssuerSecrets, 'keys'>> {
    const get = (name: 'cookies' | 'csrf' | 'dpop' | 'encryption') =>
      sharedSecrets.get(tenant, name)
    return {
      cookies: await get('cookies'),
      csrf: await get('csrf'),
      dpop: await get('dpop'),
      encryption: await get('encryption'),
    }
  }

  async function exists(tenant: string): Promise<boolean> {
    const found = await tenants.find(tenant)
    if (found) {
      taking.set(tenant, takenBy(await registrationPolicies.of(tenant), taking.get(tenant)))
      seen.set(tenant, clock.now())
      modes.set(tenant, found.signUp.mode)
    } else {
      for (const known of [seen, modes, taking, built]) known.delete(tenant)
    }
    return found !== undefined
  }

  const isFresh = (at: number | undefined) => at !== undefined && clock.now() - at < maxAge
  /** Whether nothing has changed since a handler was built. */
  const isSame = (known: Built, tenant: string, keys: KeySet | undefined) =>
    known.keys === keys &&
    known.signUp === (modes.get(tenant) ?? noSignUp.mode) &&
    known.takes === (taking.get(tenant) ?? nobody)

  async function isThere(tenant: string): Promise<boolean> {
    const at = seen.get(tenant)
    if (at === undefined) return exists(tenant)
    if (isFresh(at)) return true
    seen.set(tenant, clock.now())
    const checked = exists(tenant).catch((error: Error) => {
      log.warn(
        { err: error, tenant },
        'could not check whether the tenant still exists; it is assumed to',
      )
      return true
    })
    return Promise.race([checked, pause(patience, true, { ref: false })])
  }

  /**
   * Requests in progress end with the handler that they began with. The next one gets a handler with the new keys and
   * the current sign-up mode, which discovery shows as well.
   */
  async function issuerOf(tenant: string): Promise<IssuerHandler | undefined> {
    if (!(await isThere(tenant))) return undefined
    const known = built.get(tenant)
    if (!known) await signing.ensure(tenant, requiredAlgs)
    const keys = await signing.current(tenant)
    const signUp = modes.get(tenant) ?? noSignUp.mode
    const takes = taking.get(tenant) ?? nobody
    if (known && isSame(known, tenant, keys)) return known.handler
    const secrets = known?.secrets ?? (await secretsOf(tenant))
    const handler = createIssuer(
      capabilities,
      { tenant, signUp },
      { ...secrets, keys },
      { certificates, probes, takes },
    )
    built.set(tenant, { handler, keys, signUp, takes, secrets })
    log.info(
      { tenant, kids: kidsOf(keys.signing), published: kidsOf(keys.published) },
      'signing keys in use',
    )
    return handler
  }

  /** What a disabled tenant still serves: that its tokens are revoked. */
  async function lastWord(tenant: string, url: string): Promise<IssuerHandler | undefined> {
    const servesOnly = Object.keys(revocationsMethods)
    if (!servesOnly.includes(withoutQuery(url))) return undefined
    if (!(await tenants.view(tenant))?.disabled) return undefined
    const keys = await signing.current(tenant)
    const known = suspended.get(tenant)
    if (known?.keys === keys) return known.handler
    const handler = createIssuer(
      capabilities,
      { tenant, signUp: noSignUp.mode },
      { ...(await secretsOf(tenant)), keys },
      { certificates, probes, takes: { registered: false, documents: false }, servesOnly },
    )
    suspended.set(tenant, { handler, keys })
    return handler
  }

  return {
    target(address) {
      const { tenant, url } = locate(address, basePath)
      const isKnown = tenant === defaultTenant || (tenant !== undefined && built.has(tenant))
      return { tenant, url, isKnown }
    },
    known({ tenant }) {
      if (tenant === undefined) return undefined
      const known = built.get(tenant)
      if (!known || !isFresh(seen.get(tenant))) return undefined
      return isSame(known, tenant, signing.known(tenant)) ? known.handler : undefined
    },
    find: async ({ tenant, url }) =>
      tenant === undefined ? undefined : ((await issuerOf(tenant)) ?? lastWord(tenant, url)),
  }
}

const kidsOf = (keys: KeySet['published']) => keys.map(({ kid, alg }) => `${alg} ${kid}`)

const nobody: TakenClients = { registered: false, documents: false }

/** Returns the same object while nothing changes. */
function takenBy(policy: RegistrationPolicy, before: TakenClients = nobody): TakenClients {
  const registered = policy.mode !== 'off'
  const documents = policy.client_id_metadata_documents
  const isSame = before.registered === registered && before.documents === documents
  return isSame ? before : { registered, documents }
}
