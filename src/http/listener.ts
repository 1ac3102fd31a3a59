import { createServer, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Config } from '../../config/config.ts'
import { securityHeadersOf } from './headers.ts'

export interface Listener {
  /** Stops taking requests, lets those in flight finish, then closes what is left. */
  stop(): Promise<void>
}

/** Listens with limits on everything a caller can stretch (security-bar M7, R-14). */
export async function listen(config: Config, handle: RequestListener): Promise<Listener> {
  const server = createServer(
    {
      maxHeaderSize: config.headerLimit,
      headersTimeout: config.headersTimeout * 1000,
      requestTimeout: config.requestTimeout * 1000,
      keepAliveTimeout: config.keepAliveTimeout * 1000,
      connectionsCheckingInterval: 1000,
    },
    handle,
  )
  server.maxConnections = config.maxConnections
  server.on('clientError', refuseUnreadable(config))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: config.port, host: config.host }, resolve)
  })
  return { stop: () => drain(server, config.shutdownTimeout) }
}

const unreadable: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Answers what cannot be read as a request with the headers of every other answer, and closes. */
function refuseUnreadable({ issuer }: Config) {
  const headers = securityHeadersOf({ isHttps: issuer.startsWith('https:') })
  const lines = Object.entries({ ...headers, Connection: 'close', 'Content-Length': '0' })
  const rest = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy(error)
      return
    }
    const status = unreadable[error.code ?? ''] ?? '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\n${rest}\r\n`)
  }
}

/** @param patience seconds */
function drain(server: Server, patience: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), patience * 1000)
    server.close(() => {
      clearTimeout(force)
      resolve()
    })
    server.closeIdleConnections()
  })
}
