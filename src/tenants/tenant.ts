import { domainToASCII } from 'node:url'

/** An issuer of its own with its own clients, accounts, keys and everything else. */
export interface Tenant extends TenantPolicy {
  id: string
  name: string
  signUp: SignUp
}

export const signUpModes = ['closed', 'open', 'invitation'] as const

/** Who may come to have an account, besides those that operators create. */
export interface SignUp {
  /**
   * | mode       | people sign up by themselves | operators invite |
   * |------------|------------------------------|------------------|
   * | closed     | no                           | no               |
   * | invitation | no                           | yes              |
   * | open       | yes                          | yes              |
   */
  mode: (typeof signUpModes)[number]
  /** Domains that an address must be of, in `open`; any when there are none. As `domainKey` makes them. */
  domains: string[]
}

/** What a tenant begins with. */
export const noSignUp: SignUp = { mode: 'closed', domains: [] }

/** The form in which domains are compared: lower case, A-labels (RFC 5890); empty for what is none. */
export const domainKey = (domain: string): string => domainToASCII(domain.normalize('NFKC').trim())

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
