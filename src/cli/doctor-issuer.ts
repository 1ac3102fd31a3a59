import type { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { certificatesIn } from '../../config/certificates.ts'
import type { Config } from '../../config/config.ts'
import { isLoopbackHost } from '../../config/values.ts'
import type { Check } from './check.ts'

/** Milliseconds. */
const patience = 5000

/** Checks that the issuer is what clients see and accept. */
export async function checkIssuer(config: Config): Promise<Check[]> {
  const { protocol, hostname } = new URL(config.issuer)
  const checks: Check[] = [
    protocol === 'https:'
      ? { name: 'issuer', status: 'ok', message: `${config.issuer} is https.` }
      : isLoopbackHost(hostname)
        ? {
            name: 'issuer',
            status: 'ok',
            message: `${config.issuer} can only be reached from this machine.`,
          }
        : {
            name: 'issuer',
            status: 'fail',
            message: `${config.issuer} is not https.`,
            fix: 'set ISSUER to the https address of the proxy.',
          },
    await checkDiscovery(config.issuer),
  ]
  if (config.tlsCertFile !== undefined)
    checks.push(await checkCertificate(config.tlsCertFile, config))
  // Otherwise this server speaks plain HTTP: an https issuer implies a proxy.
  else if (protocol === 'https:') checks.push(checkProxy(config))
  return checks
}

/** The issuer in the metadata must be identical to the one it was asked from (OpenID Connect Discovery 1.0 §4.3). */
async function checkDiscovery(issuer: string): Promise<Check> {
  const name = 'discovery'
  const url = `${issuer}/.well-known/openid-configuration`
  let response: Response
  try {
    // The operator's own URL, so it may be anywhere.
    // oxlint-disable-next-line no-restricted-globals
    response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(patience) })
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } }
    return {
      name,
      status: 'warn',
      message: `Nothing answers at ${url} (${cause?.code ?? message}).`,
      fix: 'start the server; if it runs, check ISSUER, DNS, the proxy and the certificate.',
    }
  }
  const fix =
    'correct ISSUER or the proxy, so that the address leads to this server without a redirect.'
  const body = await response.text().catch(() => '')
  if (response.status !== 200) {
    return { name, status: 'fail', message: `${url} answers ${response.status}.`, fix }
  }
  const found = issuerIn(body)
  return found === issuer
    ? { name, status: 'ok', message: `${url} names exactly this issuer.` }
    : {
        name,
        status: 'fail',
        message: `${url} names ${JSON.stringify(found) ?? 'no issuer'}.`,
        fix,
      }
}

function issuerIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { issuer?: unknown } | null)?.issuer
  } catch {
    return undefined
  }
}

/** Days before expiry at which a certificate should have been renewed. */
const renewal = 14

/** Checks that clients accept the certificate now and for a while; it is known to be readable. */
async function checkCertificate(path: string, { issuer }: Config): Promise<Check> {
  const name = 'certificate'
  const { hostname } = new URL(issuer)
  const certificate = certificatesIn(await readFile(path, 'utf8'))[0] as X509Certificate
  const days = Math.floor((certificate.validToDate.getTime() - Date.now()) / 86_400_000)
  const bare = hostname.replace(/[[\]]/g, '')
  const fits = isIP(bare) ? certificate.checkIP(bare) : certificate.checkHost(hostname)
  const ends = `${path} is valid until ${certificate.validToDate.toISOString()}`
  if (!fits) {
    const message = `${path} is not valid for ${hostname} (${certificate.subjectAltName ?? 'no names'}).`
    return { name, status: 'fail', message, fix: 'get a certificate for the host of ISSUER.' }
  }
  if (days >= renewal) return { name, status: 'ok', message: `${ends}.` }
  const status = days < 0 ? 'fail' : 'warn'
  return {
    name,
    status,
    message: `${ends}.`,
    fix: 'renew it; the server loads the new one automatically.',
  }
}

function checkProxy({ trustProxy }: Config): Check {
  return trustProxy.length > 0
    ? { name: 'proxy', status: 'ok', message: `Trusted: ${trustProxy.join(', ')}.` }
    : {
        name: 'proxy',
        status: 'warn',
        message: 'The issuer is https and this server speaks plain HTTP, but no proxy is trusted.',
        fix: 'set TRUST_PROXY to the network of the proxy; otherwise all callers appear to have its address.',
      }
}
