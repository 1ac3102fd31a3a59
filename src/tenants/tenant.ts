import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { line } from '../line.ts'

/** A tenant: an issuer with its own clients, accounts, keys and everything else. */
export interface Tenant extends TenantPolicy {
  id: string
  name: string
  signUp: SignUp
}

const signUpModes = ['closed', 'open', 'invitation'] as const

/** Who may create an account, apart from operators. */
export interface SignUp {
  /**
   * | mode       | people sign up by themselves | operators invite |
   * |------------|------------------------------|------------------|
   * | closed     | no                           | no               |
   * | invitation | no                           | yes              |
   * | open       | yes                          | yes              |
   */
  mode: (typeof signUpModes)[number]
  /** In `open`, the allowed e-mail domains; any when empty. As `domainKey` makes them. */
  domains: string[]
}

/** The default of a new tenant. */
export const noSignUp: SignUp = { mode: 'closed', domains: [] }

/** Normalises a domain: lower case, A-labels (RFC 5890); empty for an invalid one. */
const domainKey = (domain: string): string => domainToASCII(domain.normalize('NFKC').trim())

/** The normalised domain of an address; empty when there is none. */
export const domainOf = (email: string): string =>
  domainKey(email.slice(email.lastIndexOf('@') + 1))

/** Settings for all accounts of a tenant. */
export interface TenantPolicy {
  /** Whether every sign-in requires a second factor. */
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

/** The path of an issuer, without a trailing slash; empty where it has none. */
export function basePathOf(issuer: string): string {
  const { pathname } = new URL(issuer)
  return pathname === '/' ? '' : pathname
}

/** Valid tenant ids, as they occur in issuer paths. */
export const tenantIdPattern = /^[a-z0-9][a-z0-9-]{0,62}$/

/** An operator's declaration of a tenant. */
export const tenantDeclaration = z.strictObject({
  id: z.string().regex(tenantIdPattern, {
    error: 'must be 1 to 63 lower-case letters, digits and hyphens',
  }),
  name: line,
})

const domain = z
  .string()
  .refine((text) => /^[^.@*\s]+(\.[^.@*\s]+)*$/u.test(text) && domainKey(text) !== '', {
    error: 'must be a domain such as example.com: exactly what follows the "@", without a wildcard',
  })
  .transform(domainKey)

/** The declaration of `SignUp`. */
export const signUpDeclaration = z
  .strictObject({
    mode: z.enum(signUpModes),
    domains: z.array(domain).max(1000).default([]),
  })
  .refine(({ mode, domains }) => mode === 'open' || domains.length === 0, {
    path: ['domains'],
    error: 'are allowed only with mode open',
  })
