import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isLocalName, isLoopback, isPublic, isThisMachine, plainHost } from './address.ts'
import { FetchError } from './fault.ts'

/** Resolves a name to all its addresses, both families; none when it does not exist. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<string[]>

export interface TargetRules {
  /** Whether a non-public address may be reached. */
  isAllowed(address: string): boolean
  /** For development and tests only: this machine may be reached, also over plain http. */
  allowLoopback: boolean
}

/** A checked target: the connection goes only to these addresses. */
export interface Target {
  url: URL
  addresses: string[]
}

/**
 * Checks the target of a request. The order matters for security: a URL refused by its form is not even resolved.
 *
 * | check                                    | refused with      |
 * |------------------------------------------|-------------------|
 * | an absolute https URL (http: loopback)   | `url_refused`     |
 * | no user information                      | `url_refused`     |
 * | a name that DNS knows, or an address     | `name_not_found`  |
 * | *every* address public, or allowed       | `address_refused` |
 * @throws FetchError
 */
export async function checkTarget(
  address: string | URL,
  rules: TargetRules,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<Target> {
  const url = URL.parse(String(address))
  const isWeb = url?.protocol === 'https:' || (url?.protocol === 'http:' && rules.allowLoopback)
  if (!url || !isWeb) {
    const came = url ? `${url.protocol}//${url.host}` : 'something that is not a URL'
    const hint = url?.protocol === 'http:' && isThisMachine(url.hostname) ? development : ''
    throw new FetchError('url_refused', `expected an https URL, got ${came}${hint}`)
  }
  if (url.username || url.password) {
    throw new FetchError('url_refused', 'expected a URL without user information')
  }
  const addresses = await addressesOf(url, resolve, signal)
  for (const each of addresses) {
    const fits = rules.allowLoopback && isLoopback(each)
    if (fits || (url.protocol === 'https:' && (isPublic(each) || rules.isAllowed(each)))) continue
    const kind = isPublic(each)
      ? 'an address of this machine because the URL is not https'
      : 'a public address'
    const hint = isLoopback(each) && !rules.allowLoopback ? development : ''
    throw new FetchError(
      'address_refused',
      `expected ${kind}: ${url.hostname} is at ${each}${hint}`,
    )
  }
  return { url, addresses }
}

/** Hint for developers who try an application on their own machine. */
const development = '; for development ALLOW_LOOPBACK_FETCH=on allows this machine'

async function addressesOf(url: URL, resolve: Resolve, signal: AbortSignal) {
  const host = plainHost(url.hostname)
  if (isIP(host) !== 0) return [host]
  if (isLocalName(host)) return ['127.0.0.1', '::1']
  const addresses = await resolve(host, signal)
  if (addresses.length === 0)
    throw new FetchError('name_not_found', `DNS has no address for ${host}`)
  return addresses
}

const noSuchName = new Set(['ENOTFOUND', 'ENODATA'])

/**
 * Queries DNS directly. The system's lookup would block one of the few threads that hash passwords for as long as an
 * untrusted name server likes.
 */
export const resolveByDns: Resolve = async (hostname, signal) => {
  const resolver = new Resolver({ timeout: 700, tries: 2 })
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([
      resolver.resolve4(hostname),
      resolver.resolve6(hostname),
    ])
    const addresses = answers.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    const faults = answers.map((each) => each.status === 'rejected' && each.reason.code)
    const silent = faults.find((code) => code && !noSuchName.has(code))
    if (addresses.length > 0 || !silent) return addresses
    throw new FetchError('name_not_found', `DNS has no answer for ${hostname}: ${silent}`)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
