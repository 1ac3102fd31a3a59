import { hash } from 'node:crypto'
import { basePathOf } from '../tenants/tenant.ts'

/**
 * What cookies are called. Those of one tenant are not read by another on the same host. On https the prefixes keep out
 * what others could set (RFC 6265bis §4.1.3): `__Secure-` plain http, `__Host-` every other host of the domain as well.
 * That one is for cookies of the whole host: those of an issuer below a path are not for what else is there, but for the
 * signature of its session (host-signatures.ts), and for `signingIn`, which ends in the uid of an interaction.
 */
export function cookieNames(issuer: string, tenant: string) {
  const isHttps = issuer.startsWith('https:')
  const basePath = basePathOf(issuer)
  const named = (prefix: string) => `${isHttps ? prefix : ''}keyturn.${tenant}`
  const [step, host] = [named('__Secure-'), named('__Host-')]
  const whole = basePath === '' ? host : step
  // There may be another server below another path.
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
