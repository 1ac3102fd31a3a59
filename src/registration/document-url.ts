import { isClientId } from '../clients/client.ts'
import { isLoopbackHost } from '../clients/redirect-uri.ts'

/**
 * Whether a `client_id` has the form of a metadata document's address, allowed or not. One with U+0000 has not:
 * Postgres does not take it.
 */
export function namesDocument(clientId: string): boolean {
  return /^https?:/i.test(clientId) && !clientId.includes('\0')
}

/**
 * What is wrong with an address as a `client_id`, or undefined (OAuth Client ID Metadata Document §3, P-083).
 *
 * | rule                                             | because                                                      |
 * |--------------------------------------------------|--------------------------------------------------------------|
 * | https; http on loopback only in tests            | anybody on the network path could pose as the client          |
 * | written as a URL parser would write it           | one document has one name: a path, no dot segments, no        |
 * |                                                  | default port, upper case, backslash, `https:host`             |
 * | no user information, fragment, wildcard          | they are no part of a document's address                      |
 * | no dot at the end of the host                    | it would be another spelling of the same host                 |
 */
export function documentUrlFault(
  clientId: string,
  { allowLoopback }: { allowLoopback: boolean },
): string | undefined {
  const url = URL.parse(clientId)
  if (!url || !isClientId(clientId)) {
    return 'must be an absolute URL of at most 255 characters'
  }
  const isPlain = url.protocol === 'http:' && allowLoopback && isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !isPlain) return 'must be https'
  if (url.username || url.password || /^[^/]*\/\/[^/?#]*@/.test(clientId)) {
    return 'must have no user information'
  }
  if (clientId.includes('#')) return 'must have no fragment'
  if (url.hostname.includes('*')) return 'must have no wildcard in its host'
  if (url.hostname.endsWith('.')) return 'must have no dot at the end of its host'
  if (url.href !== clientId) return `must be written as ${url.href}`
  return undefined
}
