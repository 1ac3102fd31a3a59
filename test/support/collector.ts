import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** The members of a span that tests use. */
export interface CollectedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  status: { code?: number }
  attributes: Record<string, string | number>
}

interface Value {
  stringValue?: string
  intValue?: number | string
  doubleValue?: number
}

interface Export {
  resourceSpans: {
    resource: { attributes: { key: string; value: Value }[] }
    scopeSpans: {
      spans: (Omit<CollectedSpan, 'attributes'> & {
        attributes: { key: string; value: Value }[]
      })[]
    }[]
  }[]
}

/** A collector of OpenTelemetry that keeps everything it gets over OTLP/HTTP as JSON. */
export interface Collector {
  /** As OTEL_EXPORTER_OTLP_ENDPOINT has it. */
  url: string
  spans(): CollectedSpan[]
  /** The resource attributes. */
  resource(): Record<string, string | number>
  headers(): Record<string, unknown>[]
  /** The raw requests. */
  text(): string
  stop(): Promise<void>
}

/** @param answer its answer to each export */
export async function startCollector(answer: object = {}): Promise<Collector> {
  const received: Export[] = []
  const headers: Record<string, unknown>[] = []
  const server = createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/traces') {
      response.writeHead(404).end()
      return
    }
    headers.push(request.headers)
    json(request).then(
      (body) => {
        received.push(body as Export)
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
      },
      () => response.writeHead(400).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const textOf = (pairs: { key: string; value: Value }[]) =>
    Object.fromEntries(
      pairs.map(({ key, value }) => [
        key,
        value.stringValue ?? Number(value.intValue ?? value.doubleValue),
      ]),
    )
  const all = () => received.flatMap(({ resourceSpans }) => resourceSpans)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () =>
      all()
        .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
        .map((span) => ({ ...span, attributes: textOf(span.attributes) })),
    resource: () => textOf(all()[0]?.resource.attributes ?? []),
    headers: () => headers,
    text: () => JSON.stringify(received),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
