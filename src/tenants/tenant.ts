import { z } from 'zod'

/** An issuer of its own with its own clients, accounts, keys and everything else. */
export interface Tenant {
  id: string
  name: string
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

/** What operators say of a tenant. */
export const tenantDeclaration = z.strictObject({
  id: z.string().regex(tenantIdPattern, {
    error: 'must be 1 to 63 lower-case letters, digits and hyphens',
  }),
  name: z.string().regex(/^\P{Cc}{1,200}$/u, {
    error: 'must be 1 to 200 characters without control characters',
  }),
})
