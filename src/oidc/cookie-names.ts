import { basePathOf } from '../tenants/tenant.ts'

/**
 * What cookies are called. Those of one tenant are not read by another on the same host. On https the prefixes keep out
 * what others could set (RFC 6265bis §4.1.3): `__Secure-` plain http, `__Host-` every other host of the domain as well.
 * That one is for cookies of the whole host: those of an issuer below a path are not for what else is there.
 */
export function cookieNames(issuer: string, tenant: string) {
  const isHttps = issuer.startsWith('https:')
  const named = (prefix: string) => `${isHttps ? prefix : ''}keyturn.${tenant}`
  const step = named('__Secure-')
  const whole = basePathOf(issuer) === '' ? named('__Host-') : step
  return {
    session: `${whole}.session`,
    interaction: `${step}.interaction`,
    resume: `${step}.resume`,
    device: `${step}.device`,
    client: `${step}.client`,
    known: `${whole}.known`,
    recovery: `${step}.recovery`,
    signUp: `${whole}.sign-up`,
  }
}
