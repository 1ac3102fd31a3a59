import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIPv6, type LookupFunction } from 'node:net'
import type { Config } from '../../config/config.ts'
import type { Log } from '../log.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { type Span, traced } from '../tracing/trace.ts'
import { listOf } from './address.ts'
import { FetchError } from './fault.ts'
import { checkTarget, type Resolve, resolveByDns, type Target, type TargetRules } from './target.ts'

/**
 * The only way out: all requests of this server to URLs that others chose (security class C11). Like the global
 * `fetch`, but
 * - only to public addresses over https; the name is resolved once, and the connection goes to exactly the checked
 *   addresses (no DNS rebinding);
 * - redirects are returned, never followed;
 * - time, answer size and connections are limited; no proxy, no cookies, no keep-alive.
 * @throws FetchError
 */
export type OutgoingFetch = (url: string | URL, init?: OutgoingInit) => Promise<Response>

/** Options of `fetch`; `largest`: most bytes of the body, if less than the general limit. */
export type OutgoingInit = RequestInit & { largest?: number }

/** Milliseconds for everything: DNS, connection, TLS, and the answer to its last byte. */
const fetchPatience = 5000
/** Most bytes of a body. */
const largestAnswer = 262_144
/** Most connections of this process: per host, and in total. Further requests wait, within their own time. */
const most = { maxSockets: 8, maxTotalSockets: 128 }

export function createFetch(
  { allowFetchTo, allowLoopbackFetch }: Pick<Config, 'allowFetchTo' | 'allowLoopbackFetch'>,
  log: Log,
  resolve: Resolve = resolveByDns,
  metrics: Metrics = noMetrics,
): OutgoingFetch {
  if (allowLoopbackFetch) {
    log.warn(
      'ALLOW_LOOPBACK_FETCH is on: outgoing requests can reach this machine. Use it only for development, tests and the demo.',
    )
  }
  const rules: TargetRules = { isAllowed: listOf(allowFetchTo), allowLoopback: allowLoopbackFetch }
  const agents = {
    'http:': new HttpAgent({ keepAlive: false, ...most }),
    'https:': new HttpsAgent({ keepAlive: false, ...most }),
  }

  /** @param outcome such as `2xx` */
  const took = (began: number, outcome: string) =>
    metrics.observe(
      'keyturn_outgoing_request_duration_seconds',
      { outcome },
      (performance.now() - began) / 1000,
    )

  async function request(
    url: string | URL,
    { largest = largestAnswer, ...init }: OutgoingInit,
    span: Span,
  ): Promise<Response> {
    const began = performance.now()
    const time = AbortSignal.timeout(fetchPatience)
    const signal = init.signal ? AbortSignal.any([time, init.signal]) : time
    try {
      const target = await untilAborted(checkTarget(url, rules, resolve, signal), signal)
      const { method, headers, body } = new Request(target.url, { ...init, redirect: 'manual' })
      span.set({
        'http.request.method': method,
        'server.address': target.url.hostname,
        'server.port': portOf(target.url),
      })
      // The URL alone determines the connection, whatever the headers say.
      for (const name of ['host', 'connection', 'transfer-encoding']) headers.delete(name)
      const bytes = body ? Buffer.from(await new Response(body).arrayBuffer()) : undefined
      const agent = agents[target.url.protocol as keyof typeof agents]
      const sent = send(target, { method, headers, bytes, agent, signal, largest })
      const response = await untilAborted(sent, signal)
      took(began, `${Math.floor(response.status / 100)}xx`)
      span.set({ 'http.response.status_code': response.status })
      if (response.status >= 400) span.fail(String(response.status))
      return response
    } catch (error) {
      took(began, 'failed')
      throw faultOf(error, time.aborted || (signal.aborted && isTimeout(signal.reason)))
    }
  }

  return (url, init = {}) =>
    traced(
      () => ({ name: init.method ?? 'GET', kind: 'client', attributes: {}, root: true }),
      (span) => request(url, init, span),
    )
}

const portOf = ({ port, protocol }: URL) => Number(port || (protocol === 'https:' ? 443 : 80))

interface Message {
  method: string
  headers: Headers
  bytes: Buffer | undefined
  agent: HttpAgent
  signal: AbortSignal
  largest: number
}

function send(target: Target, { method, headers, bytes, agent, signal, largest }: Message) {
  const { url, addresses } = target
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const outgoing = request(url, {
    method,
    headers: {
      ...Object.fromEntries(headers),
      connection: 'close',
      ...(bytes === undefined ? {} : { 'content-length': bytes.length }),
    },
    agent,
    signal,
    lookup: pinned(addresses),
    // Set explicitly, whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED).
    ...(url.protocol === 'https:' ? { rejectUnauthorized: true, minVersion: 'TLSv1.2' } : {}),
  })
  outgoing.on('error', reject)
  outgoing.on('response', (incoming) => {
    read(incoming, largest).then(resolve, (error: Error) => {
      outgoing.destroy()
      reject(error)
    })
  })
  // Without this, Node closes the connection silently, and the answer would be awaited for ever.
  outgoing.on('upgrade', (_incoming, socket) => {
    socket.destroy()
    reject(new FetchError('answer_malformed', 'expected a response, got a switch of protocols'))
  })
  outgoing.end(bytes)
  return promise
}

/** A lookup function that returns only the checked addresses. */
function pinned(addresses: string[]): LookupFunction {
  const known = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  return (_hostname, { all }, answer) => {
    const [first] = known
    if (all) answer(null, known)
    else answer(null, first?.address ?? '', first?.family)
  }
}

const withoutBody = new Set([204, 205, 304])

async function read(incoming: IncomingMessage, largest: number): Promise<Response> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largest) {
      throw new FetchError('answer_too_large', `expected at most ${largest} bytes, got more`)
    }
    chunks.push(chunk)
  }
  const status = incoming.statusCode ?? 0
  if (status < 200 || status > 599) {
    throw new FetchError('answer_malformed', `expected a status from 200 to 599, got ${status}`)
  }
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  return new Response(withoutBody.has(status) ? null : Buffer.concat(chunks), { status, headers })
}

/** Does not wait for name servers, or Node itself, beyond the time limit. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  if (signal.aborted) reject(signal.reason)
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return Promise.race([work, promise])
}

const isTimeout = (reason: unknown) => reason instanceof Error && reason.name === 'TimeoutError'

/** Error codes about certificates, of OpenSSL and of Node's host name check. */
const ofCertificates = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT)/

function faultOf(error: unknown, late: boolean): FetchError {
  if (error instanceof FetchError) return error
  if (late) return new FetchError('timed_out', `no complete response in time`, error)
  const { code = '', message } = error as NodeJS.ErrnoException
  if (ofCertificates.test(code)) return new FetchError('certificate_refused', message, error)
  if (code.startsWith('HPE_')) return new FetchError('answer_malformed', message, error)
  return new FetchError('connection_failed', [code, message].filter(Boolean).join(': '), error)
}
