import { hash } from 'node:crypto'
import { basePathOf } from '../tenants/tenant.ts'

/**
 * The names of cookies. Each tenant of a host has its own. On https, prefixes keep out what others could set (RFC
 * 6265bis §4.1.3): `__Secure-` keeps out plain http, `__Host-` every other host of the domain as well.
 *
 * `__Host-` requires a cookie of the whole host. An issuer below a path uses it only for the signature of its session
 * (host-signatures.ts) and for `signingIn`, whose name ends in the uid of an interaction: its other cookies must not
 * reach whatever else is on the host.
 */
export function cookieNames(issuer: string, tenant: string) {
  const isHttps = issuer.startsWith('https:')
  const basePath = basePathOf(issuer)
  const named = (prefix: string) => `${isHttps ? prefix : ''}keyturn.${tenant}`
  const [step, host] = [named('__Secure-'), named('__Host-')]
  const whole = basePath === '' ? host : step
  // Tells apart servers below different paths of one host.
  const path = hash('sha256', basePath, 'base64url').slice(0, 8)
  return {
    session: `${whole}.session`,
    sessionSignature: `${host}.session.sig${basePath && `.${path}`}`,
    interaction: `${step}.interaction`,
    resume: `${step}.resume`,
    signingIn: `${host}.signing-in`,
    device: `${step}.device`,
    client: `${step}.client`,
    known: `${whole}.known`,
    recovery: `${step}.recovery`,
    signUp: `${whole}.sign-up`,
  }
}
