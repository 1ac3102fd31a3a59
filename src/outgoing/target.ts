import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isLocalName, isLoopback, isPublic, isThisMachine, plainHost } from './address.ts'
import { FetchError } from './fault.ts'

/** All addresses of a name, both families; none when there is no such name. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<string[]>

export interface TargetRules {
  /** Networks that may be reached although they are not public. */
  isAllowed(address: string): boolean
  /** For tests alone: this machine may be reached, over plain http as well. */
  allowLoopback: boolean
}

/** Where a request will go: the addresses were checked and are the only ones that will be connected to. */
export interface Target {
  url: URL
  addresses: string[]
}

/**
 * Checks where a request wants to go. Order is security: what is refused by its looks is not even looked up.
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
    const came = url ? `${url.protocol}//${url.host}` : 'what is no URL'
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
    const kind = isPublic(each) ? 'one of this machine, as the URL is not https' : 'a public one'
    const hint = isLoopback(each) && !rules.allowLoopback ? development : ''
    throw new FetchError(
      'address_refused',
      `expected ${kind}: ${url.hostname} is at ${each}${hint}`,
    )
  }
  return { url, addresses }
}

/** What somebody needs who tries an application on their own machine. */
const development = '; for development ALLOW_LOOPBACK_FETCH=on allows this machine'

async function addressesOf(url: URL, resolve: Resolve, signal: AbortSignal) {
  const host = plainHost(url.hostname)
  if (isIP(host) !== 0) return [host]
  if (isLocalName(host)) return ['127.0.0.1', '::1']
  const addresses = await resolve(host, signal)
  if (addresses.length === 0) throw new FetchError('name_not_found', `DNS knows no ${host}`)
  return addresses
}

const noSuchName = new Set(['ENOTFOUND', 'ENODATA'])

/**
 * Asks DNS itself. The system's own lookup would hold one of the few threads that hash passwords for as long as a
 * name server of a stranger likes.
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
