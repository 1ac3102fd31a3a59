import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv6, SocketAddress } from 'node:net'
import type { Config } from '../../config/config.ts'
import type { Log } from '../log.ts'
import { listOf } from '../outgoing/address.ts'
import { certificateInHeader, certificateOfPeer } from './client-certificate.ts'

/** Normalises requests as they come in: a caller controls only the path and the query of its address. */
export interface Edge {
  /**
   * Rewrites the headers of a request before anything reads them. Host and scheme become the issuer's, or those of
   * `MTLS_ORIGIN` for requests to it. Forwarding headers are dropped. The caller's address and certificate are the
   * peer's, or those that a trusted proxy reports (security classes C17, C29; P-055).
   * @param mutual whether the request came to `MTLS_PORT`
   * @returns the caller's address
   */
  enter(request: IncomingMessage, mutual?: boolean): string
}

interface Arrival {
  traceparent: string | undefined
  mutual: boolean
  certificate: X509Certificate | undefined
}

/** Request → what it arrived with; only requests that have any of this. */
const arrivals = new WeakMap<IncomingMessage, Arrival>()

/** The client certificate of a request. It is not validated yet. */
export function certificateOf(request: IncomingMessage): X509Certificate | undefined {
  return arrivals.get(request)?.certificate
}

/** The `traceparent` of a request, if a trusted proxy sent it. */
export function traceparentOf(request: IncomingMessage): string | undefined {
  return arrivals.get(request)?.traceparent
}

/** Whether a request came to `MTLS_PORT`. */
export function cameToMutualPort(request: IncomingMessage): boolean {
  return arrivals.get(request)?.mutual === true
}

/** First letters of the header names that the next pattern matches: a cheap test that most names fail. */
const forwardingInitials = new Set(['f', 'x', 't', 'c'])
const forwarding =
  /^(forwarded|x[-_]forwarded[-_].*|x[-_]real[-_]ip|x[-_]original[-_].*|x[-_]client[-_]ip|true[-_]client[-_]ip|client[-_]cert([-_]chain)?)$/i

interface Peer {
  address: string
  isTrusted: boolean
}

/** Most peers whose parsed address is cached; behind proxies there are few. */
const mostPeers = 1000

type EdgeSettings = Pick<Config, 'issuer' | 'trustProxy' | 'mtlsOrigin' | 'mtlsCertificateHeader'>

export function createEdge(settings: EdgeSettings, log: Pick<Log, 'warn'>): Edge {
  const { issuer, trustProxy, mtlsOrigin, mtlsCertificateHeader: header } = settings
  const ordinary = baseOf(issuer)
  const mutualBase = mtlsOrigin === undefined ? ordinary : baseOf(mtlsOrigin)
  const isTrusted = listOf(trustProxy)

  const peers = new Map<string, Peer>()
  function peerOf(request: IncomingMessage): Peer {
    const written = request.socket.remoteAddress ?? ''
    const known = peers.get(written)
    if (known) return known
    const address = plain(written)
    const peer = { address, isTrusted: isTrusted(address) }
    if (peers.size >= mostPeers) peers.clear()
    peers.set(written, peer)
    return peer
  }

  /** The client's certificate. The certificate that a trusted proxy itself presents is not its client's. */
  function certificateFrom(request: IncomingMessage, peer: Peer): X509Certificate | undefined {
    if (header === undefined || !peer.isTrusted) return certificateOfPeer(request)
    const value = request.headers[header]
    if (!value) return undefined
    try {
      return certificateInHeader(String(value))
    } catch (error) {
      log.warn(
        { header, peer: peer.address, err: error },
        'a proxy passed a header that is not a certificate: check MTLS_CERTIFICATE_HEADER and the proxy',
      )
      return undefined
    }
  }

  return {
    enter(request, mutual = false) {
      const { headers } = request
      const peer = peerOf(request)
      const caller = peer.isTrusted
        ? callerOf(peer.address, headers['x-forwarded-for'], isTrusted)
        : peer.address
      const { traceparent: claimed } = headers
      const traceparent = peer.isTrusted && typeof claimed === 'string' ? claimed : undefined
      const certificate = certificateFrom(request, peer)
      if (mutual || certificate || traceparent !== undefined) {
        arrivals.set(request, { mutual, certificate, traceparent })
      }
      for (const name in headers) {
        const mayForward = forwardingInitials.has(name[0] ?? '') && forwarding.test(name)
        if (mayForward || name === header) delete headers[name]
      }
      const base = mutual || certificate ? mutualBase : ordinary
      headers.host = base.host
      headers['x-forwarded-host'] = base.host
      headers['x-forwarded-proto'] = base.scheme
      headers['x-forwarded-for'] = caller
      return caller
    },
  }
}

/** Computed once: parsing the URL costs more than all other work on an incoming request. */
function baseOf(address: string): { host: string; scheme: string } {
  const { host, protocol } = new URL(address)
  return { host, scheme: protocol.slice(0, -1) }
}

/** The right-most address that is no trusted proxy: entries to its left can be forged by the caller. */
function callerOf(
  peer: string,
  forwardedFor: string | string[] | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let caller = peer
  for (const claimed of String(forwardedFor ?? '')
    .split(',')
    .toReversed()) {
    if (!isTrusted(caller)) break
    const address = plain(withoutPort(claimed.trim()))
    if (!isIP(address)) break
    caller = address
  }
  return caller
}

/**
 * The canonical form of an address: IPv4-mapped IPv6 becomes IPv4, as otherwise all of IPv4 would be one network for
 * limits; the zone of an IPv6 address is dropped.
 */
function plain(address: string): string {
  const bare = address.replace(/%.*$/, '')
  if (!isIPv6(bare)) return bare
  const written = new SocketAddress({ address: bare, family: 'ipv6' }).address
  return written.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Some proxies add the port. */
function withoutPort(address: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, '$1')
}

/** The origin form of a request target (RFC 9112 §3.2.1); the host of an absolute form is ignored. */
export function pathOf(target: string): string {
  if (target.startsWith('/')) return target
  const parsed = URL.parse(target)
  return parsed ? parsed.pathname + parsed.search : '/'
}
