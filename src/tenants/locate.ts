import { defaultTenant, tenantIdPattern } from './tenant.ts'

const wellKnown =
  /^(\/\.well-known\/(?:openid-configuration|oauth-authorization-server|ssf-configuration))(\/[^?]*)?(\?.*)?$/

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
  // The default tenant is at the issuer itself: what a proxy keeps to itself there has no second address (C29).
  if (id === undefined || id === defaultTenant || !tenantIdPattern.test(id)) {
    return { tenant: defaultTenant, url: below }
  }
  return { tenant: id, url: rest?.startsWith('/') ? rest : `/${rest ?? ''}` }
}
