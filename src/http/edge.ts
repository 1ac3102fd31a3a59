import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** What the outside may decide of a request's address: the path and the query, and nothing else. */
export interface Edge {
  /**
   * Rewrites a request before anything reads it: host and scheme become the issuer's, forwarding headers are dropped,
   * and the caller's address is the peer's or what a trusted proxy says (security classes C17, C29).
   * @returns the caller's address
   */
  enter(request: IncomingMessage): string
}

const forwarding =
  /^(forwarded|x[-_]forwarded[-_].*|x[-_]real[-_]ip|x[-_]original[-_].*|x[-_]client[-_]ip|true[-_]client[-_]ip)$/i

/** @param trustProxy networks in CIDR form whose `X-Forwarded-For` is believed */
export function createEdge({ issuer, trustProxy }: { issuer: string; trustProxy: string[] }): Edge {
  const { host, protocol } = new URL(issuer)
  const trusted = new BlockList()
  for (const network of trustProxy) {
    const [address = '', prefix] = network.split('/')
    trusted.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  const isTrusted = (address: string) => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

  return {
    enter(request) {
      const caller = callerOf(request, isTrusted)
      for (const name of Object.keys(request.headers)) {
        if (forwarding.test(name)) delete request.headers[name]
      }
      request.headers.host = host
      request.headers['x-forwarded-host'] = host
      request.headers['x-forwarded-proto'] = protocol.slice(0, -1)
      request.headers['x-forwarded-for'] = caller
      request.url = pathOf(request.url ?? '/')
      return caller
    },
  }
}

/** The right-most address that no trusted proxy vouches for: what stands left of it is the caller's own invention. */
function callerOf(request: IncomingMessage, isTrusted: (address: string) => boolean): string {
  let caller = plain(request.socket.remoteAddress ?? '')
  const claimed = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => plain(withoutPort(address.trim())))
    .toReversed()
  for (const address of claimed) {
    if (!isTrusted(caller) || !isIP(address)) break
    caller = address
  }
  return caller
}

/** An address is written in one way only: IPv4 not as IPv6, IPv6 without the zone of this machine. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

/** Some proxies tell the port as well. */
function withoutPort(address: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, '$1')
}

/** The origin form of a request target (RFC 9112 §3.2.1); the absolute form names a host that we do not want to hear. */
function pathOf(target: string): string {
  if (target.startsWith('/')) return target
  const parsed = URL.parse(target)
  return parsed ? parsed.pathname + parsed.search : '/'
}
