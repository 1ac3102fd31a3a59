import type { Server } from 'node:net'
import type { Metrics } from '../metrics/metrics.ts'
import type { Tally } from '../tallies.ts'
import { unmatched } from './route-names.ts'

const unreadable: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** The status line for input that is no valid HTTP request. */
export const statusOfUnreadable = ({ code = '' }: NodeJS.ErrnoException): string =>
  unreadable[code] ?? '400 Bad Request'

/** Counts connections and input that never become a request. */
export interface ConnectionWatch {
  follow(server: Server): void
  /** Counts an answer to invalid input. @param status its status line */
  refused(status: string): void
  tallies: Tally[]
}

export function watchConnections(metrics: Metrics): ConnectionWatch {
  const servers: Server[] = []
  const closed = { closed: 0 }
  const refused: Record<string, number> = {}
  const handshakes: Record<string, number> = {}
  metrics.gauge('keyturn_connections_open', async () => {
    const open = await Promise.all(servers.map(openAt))
    return [[{}, open.reduce((sum, each) => sum + each, 0)]]
  })
  return {
    follow(server) {
      servers.push(server)
      server.on('drop', () => {
        closed.closed++
        metrics.count('keyturn_connections_refused_total', {})
      })
      server.on('tlsClientError', ({ code = 'other' }: NodeJS.ErrnoException) => {
        // Port checks end like this; load balancers make one every few seconds.
        if (code === 'ECONNRESET') return
        handshakes[code] = (handshakes[code] ?? 0) + 1
        metrics.count('keyturn_tls_handshakes_failed_total', {})
      })
    },
    refused(line) {
      const [status = ''] = line.split(' ')
      refused[status] = (refused[status] ?? 0) + 1
      const labels = { method: 'other', route: unmatched, status }
      metrics.count('keyturn_http_requests_total', labels)
    },
    tallies: [
      {
        level: 'warn',
        message: 'connections were closed immediately: MAX_CONNECTIONS are open',
        read: () => ({ ...closed }),
      },
      {
        level: 'info',
        message: 'malformed requests were rejected, by status',
        read: () => ({ ...refused }),
      },
      {
        level: 'info',
        message: 'TLS handshakes failed, by reason',
        read: () => ({ ...handshakes }),
      },
    ],
  }
}

const openAt = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
