import { createServer, type RequestListener, type Server } from 'node:http'
import type { Config } from '../../config/config.ts'

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
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: config.port, host: config.host }, resolve)
  })
  return { stop: () => drain(server, config.shutdownTimeout) }
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
