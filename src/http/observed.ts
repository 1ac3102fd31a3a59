import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Metrics } from '../metrics/metrics.ts'

/** Methods that something here takes; others are strangers' words. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export const methodOf = ({ method = '' }: IncomingMessage): string =>
  methods.has(method) ? method : 'other'

/**
 * Counts and times every request that comes in, by the template of its address.
 * @param routeOf the template of a URL
 * @returns does so for one, whose answer is about to be made
 */
export function createRequestWatch(
  metrics: Metrics,
  routeOf: (url: string) => string,
): (request: IncomingMessage, response: ServerResponse) => void {
  let inFlight = 0
  metrics.gauge('keyturn_http_requests_in_flight', () => [[{}, inFlight]])

  return (request, response) => {
    const began = performance.now()
    inFlight++
    response.once('close', () => {
      inFlight--
      // By now the path of the issuer is cut off.
      const route = routeOf(request.url ?? '')
      const status = response.writableFinished ? String(response.statusCode) : 'aborted'
      metrics.count('keyturn_http_requests_total', { method: methodOf(request), route, status })
      const seconds = (performance.now() - began) / 1000
      metrics.observe('keyturn_http_request_duration_seconds', { route }, seconds)
    })
  }
}
