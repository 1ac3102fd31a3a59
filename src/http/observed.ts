import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Metrics } from '../metrics/metrics.ts'

/** Methods that label metrics; any other could be made up by a caller. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export const methodOf = ({ method = '' }: IncomingMessage): string =>
  methods.has(method) ? method : 'other'

/** Metrics of requests. */
export interface RequestWatch {
  /** Counts and times a request, from before its answer is made. */
  follow(request: IncomingMessage, response: ServerResponse): void
  /**
   * Counts a request that was refused by admission control. Refusals of one turn of the event loop are counted
   * together, as a refusal must be cheap.
   */
  refused(request: IncomingMessage, url: string): void
}

/**
 * Counts and times every request, by the template of its path.
 * @param routeOf returns the template of a URL below its issuer
 */
export function createRequestWatch(
  metrics: Metrics,
  routeOf: (url: string) => string,
): RequestWatch {
  let inFlight = 0
  metrics.gauge('keyturn_http_requests_in_flight', () => [[{}, inFlight]])

  let refusals = new Map<string, { method: string; route: string; times: number }>()
  function countRefusals(): void {
    for (const { method, route, times } of refusals.values()) {
      metrics.count('keyturn_http_requests_total', { method, route, status: '503' }, times)
    }
    refusals = new Map()
  }

  return {
    follow(request, response) {
      const began = performance.now()
      inFlight++
      response.once('close', () => {
        inFlight--
        const route = routeOf(request.url ?? '')
        const status = response.writableFinished ? String(response.statusCode) : 'aborted'
        metrics.count('keyturn_http_requests_total', { method: methodOf(request), route, status })
        const seconds = (performance.now() - began) / 1000
        metrics.observe('keyturn_http_request_duration_seconds', { route }, seconds)
      })
    },
    refused(request, url) {
      if (refusals.size === 0) setImmediate(countRefusals)
      const [method, route] = [methodOf(request), routeOf(url)]
      const key = `${method} ${route}`
      const known = refusals.get(key)
      if (known) known.times++
      else refusals.set(key, { method, route, times: 1 })
    },
  }
}
