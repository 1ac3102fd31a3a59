import type { IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createIssuer, type IssuerHandler } from './issuer.ts'
import type { Capabilities } from './oidc/capabilities.ts'
import { defaultTenant, tenantIdPattern } from './tenants/tenant.ts'

/** Every issuer that this process answers for; each is built when it is first asked for. */
export interface Issuers {
  /**
   * The handler of the issuer that an address belongs to, with the issuer's path cut off the request; undefined when
   * there is none.
   */
  route(request: IncomingMessage): Promise<IssuerHandler | undefined>
}

/** How long, in milliseconds, a change made on another node, of keys or of the tenant, may go unnoticed. */
const maxAge = 500
/** Milliseconds that a request waits for Postgres to say so: what is known goes on serving while it does not answer. */
const patience = 200

interface Built {
  handler: IssuerHandler
  fingerprint: string
  revision: number
  checkedAt: number
}

export function createIssuers(capabilities: Capabilities): Issuers {
  const { clock, config, database, log, sharedSecrets, signing, tenants } = capabilities
  const { pathname } = new URL(config.issuer)
  const basePath = pathname === '/' ? '' : pathname
  const built = new Map<string, Built>()

  async function fingerprint(tenant: string): Promise<string> {
    const [row] = await database.query<{ kids: string | null }>(
      `select string_agg(kid, ' ' order by kid) as kids from signing_keys where tenant_id = $1`,
      [tenant],
    )
    return row?.kids ?? ''
  }

  async function build(tenant: string, current: string): Promise<Built> {
    await signing.ensure(tenant, ['ES256', 'RS256'])
    const revision = signing.revision()
    const handler = createIssuer(capabilities, tenant, {
      keys: await signing.open(tenant),
      cookies: await sharedSecrets.get(tenant, 'cookies'),
      csrf: await sharedSecrets.get(tenant, 'csrf'),
      dpop: await sharedSecrets.get(tenant, 'dpop'),
    })
    return { handler, revision, fingerprint: current, checkedAt: clock.now() }
  }

  async function refresh(tenant: string): Promise<Built | undefined> {
    const known = built.get(tenant)
    if (known) known.checkedAt = clock.now()
    if (!(await tenants.find(tenant))) {
      built.delete(tenant)
      return undefined
    }
    const revision = signing.revision()
    const current = await fingerprint(tenant)
    if (known?.fingerprint === current) return Object.assign(known, { revision })
    const fresh = await build(tenant, current)
    built.set(tenant, fresh)
    return fresh
  }

  async function issuerOf(tenant: string): Promise<IssuerHandler | undefined> {
    const known = built.get(tenant)
    // A key that this process made must sign from the next request on.
    if (!known || known.revision !== signing.revision()) return (await refresh(tenant))?.handler
    if (clock.now() - known.checkedAt < maxAge) return known.handler
    const checked = refresh(tenant).catch((error: Error) => {
      log.warn({ err: error, tenant }, 'keys and tenant not checked')
      return known
    })
    return (await Promise.race([checked, pause(patience, known, { ref: false })]))?.handler
  }

  return {
    async route(request) {
      const place = locate(request.url ?? '/', basePath)
      request.url = place.url
      return issuerOf(place.tenant)
    },
  }
}

const wellKnown =
  /^(\/\.well-known\/(?:openid-configuration|oauth-authorization-server))(\/[^?]*)?(\?.*)?$/

/**
 * Which tenant an address belongs to, and the address below its issuer. Metadata of an issuer with a path is found
 * under both forms: appended (OpenID Connect Discovery §4) and inserted (RFC 8414 §3.1).
 * @param url path and query
 * @param basePath the path of the configured issuer, without a trailing slash
 */
export function locate(url: string, basePath: string): { tenant: string; url: string } {
  const inserted = wellKnown.exec(url)
  const target = inserted?.[2]
    ? `${inserted[2].replace(/\/$/, '')}${inserted[1]}${inserted[3] ?? ''}`
    : url
  const isBelow = target === basePath || target.startsWith(`${basePath}/`)
  const below = basePath && isBelow ? target.slice(basePath.length) || '/' : target
  const [, id, rest] = /^\/t\/([^/?]+)(.*)$/s.exec(below) ?? []
  if (id === undefined || !tenantIdPattern.test(id)) return { tenant: defaultTenant, url: below }
  return { tenant: id, url: rest?.startsWith('/') ? rest : `/${rest ?? ''}` }
}
