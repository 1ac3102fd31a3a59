import { defaultTenant, tenantIdPattern } from './tenant.ts'

const wellKnown =
  /^(\/\.well-known\/(?:openid-configuration|oauth-authorization-server|ssf-configuration))(\/[^?]*)?(\?.*)?$/

/** Probes belong to the process, not to an issuer: their callers know the port but not the path. */
const probe = /^\/(?:healthz|readyz)(?:\?|$)/

/**
 * The tenant of a URL, and the URL below its issuer. Metadata of an issuer with a path has two forms: appended (OpenID
 * Connect Discovery §4) and inserted (RFC 8414 §3.1).
 * @param url path and query
 * @param basePath the path of the configured issuer, without a trailing slash
 * @returns no tenant for paths outside of it: paths that a proxy blocks must have no second URL (C29)
 */
export function locate(url: string, basePath: string): { tenant: string | undefined; url: string } {
  const inserted = wellKnown.exec(url)
  const target = inserted?.[2]
    ? `${inserted[2].replace(/\/$/, '')}${inserted[1]}${inserted[3] ?? ''}`
    : url
  const below = probe.test(url) ? url : belowPath(target, basePath)
  if (below === undefined) return { tenant: undefined, url }
  const [, id, rest] = /^\/t\/([^/?]+)(.*)$/s.exec(below) ?? []
  // The default tenant is only at the issuer itself, for the same reason.
  if (id === undefined || id === defaultTenant || !tenantIdPattern.test(id)) {
    return { tenant: defaultTenant, url: below }
  }
  return { tenant: id, url: rest?.startsWith('/') ? rest : `/${rest ?? ''}` }
}

function belowPath(target: string, basePath: string): string | undefined {
  if (!target.startsWith(basePath)) return undefined
  const rest = target.slice(basePath.length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') ? `/${rest}` : undefined
}
