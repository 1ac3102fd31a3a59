import type { IncomingMessage, ServerResponse } from 'node:http'
import { currentTracer } from '../tracing/trace.ts'
import { traceparentOf } from './edge.ts'
import { methodOf } from './observed.ts'
import { unmatched } from './route-names.ts'

/**
 * Traces a request, if this process traces, and continues the trace of a trusted proxy. Names and attributes follow
 * OpenTelemetry (semantic conventions for HTTP spans, "HTTP server").
 * @param routeOf returns the template of a URL
 * @param work begins the answer
 */
export function traceRequest(
  request: IncomingMessage,
  response: ServerResponse,
  routeOf: (url: string) => string,
  work: () => void,
): void {
  const tracer = currentTracer()
  // Probes come every few seconds and say nothing about use.
  if (!tracer || /^\/(healthz|readyz)(\?|$)/.test(request.url ?? '')) return work()
  tracer.request(traceparentOf(request), (span) => {
    response.once('close', () => {
      const [method, route] = [methodOf(request), routeOf(request.url ?? '')]
      const isKnown = method !== 'other'
      const finished = response.writableFinished
      const name = isKnown ? method : 'HTTP'
      span.rename(route === unmatched ? name : `${name} ${route}`)
      span.set({
        'http.request.method': isKnown ? method : '_OTHER',
        ...(route === unmatched ? {} : { 'http.route': route }),
        ...(finished ? { 'http.response.status_code': response.statusCode } : {}),
        'url.scheme': String(request.headers['x-forwarded-proto'] ?? 'http'),
        'keyturn.request_id': String(response.getHeader('request-id') ?? ''),
      })
      if (!finished) span.fail('aborted')
      else if (response.statusCode >= 500) span.fail(String(response.statusCode))
      span.end()
    })
    work()
  })
}
