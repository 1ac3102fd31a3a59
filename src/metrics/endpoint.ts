import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { listenFault } from '../listen-fault.ts'
import type { Log } from '../log.ts'

export interface MetricsEndpoint {
  stop(): Promise<void>
}

/** One who reads them is enough. */
const mostConnections = 64

/**
 * Where there are as many connections as there may be, another takes the place of the one that came first of those that
 * have not asked for anything, or else of all: who opens them again and again keeps nobody out who asks at once.
 */
function giveWay(server: Server): void {
  const open = new Set<Socket>()
  const asking = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    if (open.size >= mostConnections) {
      const all = [...open]
      const first = (all.find((each) => !asking.has(each)) ?? all[0]) as Socket
      open.delete(first)
      first.destroy()
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }, response) => {
    asking.add(socket)
    response.once('close', () => asking.delete(socket))
  })
}

/**
 * `/metrics` on a port of its own, in the text format of Prometheus; nothing else is there.
 * @param text all figures at this moment
 * @throws DomainError `config_invalid` when the port cannot be had
 */
export async function serveMetrics(
  { port, host, log }: { port: number; host: string; log: Log },
  text: () => Promise<string>,
): Promise<MetricsEndpoint> {
  const server = createServer(
    // Milliseconds: who holds connections and says nothing must not keep those out who read.
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
