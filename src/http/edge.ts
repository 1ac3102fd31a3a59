import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { Config } from '../../config/config.ts'
import type { Log } from '../log.ts'
import { certificateInHeader, certificateOfPeer } from './client-certificate.ts'

/** What the outside may decide of a request's address: the path and the query, and nothing else. */
export interface Edge {
  /**
   * Rewrites a request before anything reads it: host and scheme become the issuer's, or those of `MTLS_ORIGIN` for
   * who called there; forwarding headers are dropped; the caller's address and certificate are the peer's or what a
   * trusted proxy says (security classes C17, C29; P-055).
   * @param mutual whether it came to the port where certificates are asked for
   * @returns the caller's address
   */
  enter(request: IncomingMessage, mutual?: boolean): string
}

interface Arrival {
  traceparent: string | undefined
  mutual: boolean
  certificate: X509Certificate | undefined
}

const arrivals = new WeakMap<IncomingMessage, Arrival>()

/** The certificate of whoever sent a request that has come in; whether it is worth anything is not known yet. */
export function certificateOf(request: IncomingMessage): X509Certificate | undefined {
  return arrivals.get(request)?.certificate
}

/** What a trusted proxy says of the trace that a request belongs to; a stranger is not believed. */
export function traceparentOf(request: IncomingMessage): string | undefined {
  return arrivals.get(request)?.traceparent
}

/** Whether a request came to the port where certificates are asked for. */
export function cameToMutualPort(request: IncomingMessage): boolean {
  return arrivals.get(request)?.mutual === true
}

const forwarding =
  /^(forwarded|x[-_]forwarded[-_].*|x[-_]real[-_]ip|x[-_]original[-_].*|x[-_]client[-_]ip|true[-_]client[-_]ip|client[-_]cert([-_]chain)?)$/i

/** What decides at the edge. */
type EdgeSettings = Pick<Config, 'issuer' | 'trustProxy' | 'mtlsOrigin' | 'mtlsCertificateHeader'>

export function createEdge(settings: EdgeSettings, log: Pick<Log, 'warn'>): Edge {
  const { issuer, trustProxy, mtlsOrigin, mtlsCertificateHeader: header } = settings
  const ordinary = new URL(issuer)
  const mutualBase = mtlsOrigin === undefined ? undefined : new URL(mtlsOrigin)
  const trusted = new BlockList()
  for (const network of trustProxy) {
    const [address = '', prefix] = network.split('/')
    trusted.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  const isTrusted = (address: string) => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

  /** A proxy speaks for its clients: a certificate that it shows itself is not theirs. */
  function certificate(request: IncomingMessage): X509Certificate | undefined {
    const peer = plain(request.socket.remoteAddress ?? '')
    if (header === undefined || !isTrusted(peer)) return certificateOfPeer(request)
    const value = request.headers[header]
    if (!value) return undefined
    try {
      return certificateInHeader(String(value))
    } catch (error) {
      log.warn({ header, peer, err: error }, 'a proxy passed on what is no certificate')
      return undefined
    }
  }

  return {
    enter(request, mutual = false) {
      const caller = callerOf(request, isTrusted)
      const { traceparent: claimed } = request.headers
      const believed = isTrusted(plain(request.socket.remoteAddress ?? ''))
      const traceparent = believed && typeof claimed === 'string' ? claimed : undefined
      const arrival = { mutual, certificate: certificate(request), traceparent }
      arrivals.set(request, arrival)
      for (const name of Object.keys(request.headers)) {
        if (forwarding.test(name) || name === header) delete request.headers[name]
      }
      const { host, protocol } =
        (mutual || arrival.certificate ? mutualBase : undefined) ?? ordinary
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
