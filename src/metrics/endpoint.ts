import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { listenFault } from '../listen-fault.ts'
import type { Log } from '../log.ts'

export interface MetricsEndpoint {
  stop(): Promise<void>
}

/** Most connections; one reader is usual. */
const mostConnections = 64

/**
 * When all connections are taken, a new one replaces the oldest idle one, or the oldest of all when none is idle. So
 * unused connections keep no reader out; a reader whose idle connection was closed reconnects.
 */
function giveWay(server: Server): void {
  /** Connection → number of requests in progress; a client may pipeline several. */
  const open = new Map<Socket, number>()
  const count = (socket: Socket, more: number) => {
    const asked = open.get(socket)
    if (asked !== undefined) open.set(socket, asked + more)
  }
  server.on('connection', (socket: Socket) => {
    if (open.size >= mostConnections) {
      const all = [...open.keys()]
      const first = (all.find((each) => open.get(each) === 0) ?? all[0]) as Socket
      open.delete(first)
      first.destroy()
    }
    open.set(socket, 0)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }, response) => {
    count(socket, 1)
    response.once('close', () => count(socket, -1))
  })
}

/**
 * Serves `/metrics`, and nothing else, on a port of its own, in the text format of Prometheus.
 * @param text returns the current figures
 * @throws DomainError `config_invalid` when the port cannot be opened
 */
export async function serveMetrics(
  { port, host, log }: { port: number; host: string; log: Log },
  text: () => Promise<string>,
): Promise<MetricsEndpoint> {
  const server = createServer(
    // Milliseconds: silent connections must not keep readers out.
    { requestTimeout: 5000, headersTimeout: 2000, connectionsCheckingInterval: 1000 },
    (request, response) => {
      const { method, url = '' } = request
      const isThere = url === '/metrics' || url.startsWith('/metrics?')
      if (!isThere || (method !== 'GET' && method !== 'HEAD')) {
        response.writeHead(isThere ? 405 : 404, isThere ? { Allow: 'GET, HEAD' } : {}).end()
        return
      }
      text().then(
        (body) => {
          response.writeHead(200, {
            'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
            'Cache-Control': 'no-store',
          })
          response.end(method === 'HEAD' ? undefined : body)
        },
        (error: Error) => {
          log.error({ err: error }, 'the metrics could not be read')
          response.writeHead(500).end()
        },
      )
    },
  )
  giveWay(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, exclusive: true }, resolve)
  }).catch((cause: Error) => {
    throw listenFault(cause, {
      port,
      host,
      settings: { port: 'METRICS_PORT', host: 'METRICS_HOST' },
    })
  })
  return {
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
