/** An issuer of its own with its own clients, accounts, keys and everything else. */
export interface Tenant extends TenantPolicy {
  id: string
  name: string
}

/** What holds for everybody in a tenant. */
export interface TenantPolicy {
  /** Whether every sign-in takes a second factor. */
  requireMfa: boolean
  /** Whether people may turn on codes by e-mail. */
  emailCodes: boolean
}

/** The tenant whose issuer is the configured one; it exists from the first migration. */
export const defaultTenant = 'default'

/**
 * The issuer identifier of a tenant (RFC 8414 §2): the configured issuer, or a path below it.
 * @param issuer the configured issuer, without a trailing slash
 */
export function issuerOf(issuer: string, tenantId: string): string {
  return tenantId === defaultTenant ? issuer : `${issuer}/t/${tenantId}`
}

/** What may stand in the path of an issuer. */
export const tenantIdPattern = /^[a-z0-9][a-z0-9-]{0,62}$/
