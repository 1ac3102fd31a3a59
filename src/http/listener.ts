import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import type { Config } from '../../config/config.ts'
import { listenFault } from '../listen-fault.ts'
import { type ConnectionWatch, statusOfUnreadable } from './connections.ts'
import { followHandshakes } from './handshakes.ts'
import { securityHeadersOf } from './headers.ts'
import type { TlsFiles } from './tls-files.ts'

export interface Listener {
  /** Stops accepting requests, waits for those in progress, then closes the remaining connections. */
  stop(): Promise<void>
}

/** @param mutual whether it came to `MTLS_PORT` */
type Handle = (request: IncomingMessage, response: ServerResponse, mutual: boolean) => void

/**
 * Listens on `PORT`, and on `MTLS_PORT`, where clients are asked for a certificate; they need not present one, and it
 * may be any (RFC 8705 §2.2). Everything that a caller can stretch has a limit (security-bar M7, R-14).
 */
export async function listen(
  config: Config,
  tls: TlsFiles,
  watch: ConnectionWatch,
  handle: Handle,
): Promise<Listener> {
  const drains: Array<() => Promise<void>> = []
  const stop = async () => {
    await Promise.all(drains.map((drained) => drained()))
  }
  try {
    for (const [port, mutual] of [
      [config.port, false] as const,
      [config.mtlsPort, true] as const,
    ]) {
      if (port === undefined) continue
      const refuse = refuseAtHead(config, watch)
      const server = create(config, tls, mutual, (request, response) => {
        if (namesItsHost(request)) handle(request, response, mutual)
        else refuse(response, '400 Bad Request')
      })
      server.on('checkExpectation', (_request, response: ServerResponse) =>
        refuse(response, '417 Expectation Failed'),
      )
      const cutHandshakes = server instanceof TlsServer ? followHandshakes(server) : () => undefined
      await opened(config, watch, server, port).catch((error: Error) => {
        const settings = { port: mutual ? 'MTLS_PORT' : 'PORT', host: 'HOST' }
        throw listenFault(error, { port, host: config.host, settings })
      })
      drains.push(() => drain(server, config, cutHandshakes))
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

async function opened(
  config: Config,
  watch: ConnectionWatch,
  server: Server,
  port: number,
): Promise<void> {
  server.maxConnections = config.maxConnections
  watch.follow(server)
  const refuse = refuseUnreadable(config, watch)
  server.on('clientError', refuse)
  // CONNECT is for proxies. From here on Node does not look after such a connection.
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => undefined).once('finish', () => socket.destroy())
    refuse(new Error('CONNECT'), socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: config.host }, resolve)
  })
}

function create(
  config: Config,
  { certificate }: TlsFiles,
  mutual: boolean,
  handle: RequestListener,
): Server {
  const limits: ServerOptions = {
    maxHeaderSize: config.headerLimit,
    headersTimeout: config.headersTimeout * 1000,
    requestTimeout: config.requestTimeout * 1000,
    keepAliveTimeout: config.keepAliveTimeout * 1000,
    connectionsCheckingInterval: 1000,
    requireHostHeader: false,
    // A seventh less processor time for the key set. Such a request never emits `end`: read bodies with `iterator`.
    optimizeEmptyRequests: true,
  }
  if (!certificate) return createServer(limits, handle)
  // BCP 195 (RFC 9325 §3.1.1) allows TLS 1.2; no client of this server needs it.
  const tls = { minVersion: 'TLSv1.3' } as const
  const server = createTlsServer(
    {
      ...limits,
      ...tls,
      ...certificate.current,
      handshakeTimeout: config.headersTimeout * 1000,
      requestCert: mutual,
      rejectUnauthorized: false,
    },
    handle,
  )
  certificate.onChange((renewed) => server.setSecureContext({ ...tls, ...renewed }))
  return server
}

/**
 * Whether a request has exactly one Host header (HTTP/1.0 may have none). Otherwise it MUST be answered 400 (RFC 9112
 * §3.2): with two, a proxy may have routed by the other one.
 */
function namesItsHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}

/** Answers well-formed requests that are not acceptable here; Node does not report some of them. */
function refuseAtHead(config: Config, watch: ConnectionWatch) {
  const headers = headersOfRefusal(config)
  return (response: ServerResponse, line: string): void => {
    watch.refused(line)
    response.writeHead(Number.parseInt(line, 10), headers).end()
  }
}

function headersOfRefusal({ issuer }: Config): Record<string, string> {
  const headers = securityHeadersOf({ isHttps: issuer.startsWith('https:') })
  return { ...headers, Connection: 'close', 'Content-Length': '0' }
}

/** Answers malformed input with the headers of every other answer, and closes the connection. */
function refuseUnreadable(config: Config, watch: ConnectionWatch) {
  const lines = Object.entries(headersOfRefusal(config))
  const rest = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return (error: NodeJS.ErrnoException, socket: Duplex): void => {
    // Before the handshake nothing can be written: `end` would wait for ever for a silent client.
    const isMute = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT'
    if (!socket.writable || error.code === 'ECONNRESET' || isMute) {
      socket.destroy(error)
      return
    }
    const status = statusOfUnreadable(error)
    watch.refused(status)
    socket.end(`HTTP/1.1 ${status}\r\n${rest}\r\n`)
  }
}

/** Milliseconds that idle connections of proxies stay open. */
const lingering = 1000

/**
 * Stops the server without losing requests. A proxy may send the next request on an idle connection just as it is being
 * closed, and must not repeat a POST. So idle connections of proxies stay open for a moment, and requests on them are
 * answered with `Connection: close`. The same goes for unfinished TLS handshakes: in TLS 1.3 the request comes with the
 * end of the handshake (RFC 8446 §2) and may still be unread.
 * @param cutHandshakes closes connections in a handshake, which the HTTP server does not know
 */
function drain(
  server: Server,
  { shutdownTimeout, trustProxy }: Config,
  cutHandshakes: () => void,
): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), shutdownTimeout * 1000)
    const done = () => {
      clearTimeout(force)
      resolve()
    }
    // The HTTP server's `close` closes idle connections at once, and stops the checks for slow requests.
    if (trustProxy.length === 0) {
      server.close(done)
      cutHandshakes()
      return
    }
    const idle = setTimeout(() => {
      server.close()
      cutHandshakes()
    }, lingering)
    NetServer.prototype.close.call(server, () => {
      clearTimeout(idle)
      server.close()
      done()
    })
  })
}
