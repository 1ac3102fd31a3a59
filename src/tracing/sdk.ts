import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { parseTraceParent, setGlobalErrorHandler } from '@opentelemetry/core'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Config } from '../../config/config.ts'
import { inTime } from '../in-time.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { version } from '../version.ts'
import { createExporter } from './exporter.ts'
import { countLosses } from './losses.ts'
import { type Span, type Tracer, untold } from './trace.ts'

const kinds = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT } as const

/** Most characters of an attribute; a statement may be long. */
const longestAttribute = 1000
/** Milliseconds to send the last spans before the process ends. */
const patience = 3000
/** Most spans waiting for the collector; more are lost. */
const mostWaiting = 2048

function samplerOf({ otelSampler, otelSamplerArg }: Config): Sampler {
  const [, parentBased, rule] = /^(parentbased_)?(.+)$/.exec(otelSampler) ?? []
  const root =
    rule === 'traceidratio'
      ? new TraceIdRatioBasedSampler(otelSamplerArg)
      : rule === 'always_off'
        ? new AlwaysOffSampler()
        : new AlwaysOnSampler()
  return parentBased ? new ParentBasedSampler({ root }) : root
}

/**
 * Exports traces to a collector. Nothing is registered globally: other libraries' own instrumentation, which nobody has
 * checked for personal data, stays off.
 */
export function createTracer(config: Config, url: string, log: Log, metrics: Metrics): Tracer {
  const endpoint = new URL(url).host
  // Messages about the collector belong to no request in progress.
  const outside = AsyncLocalStorage.snapshot()
  setGlobalErrorHandler((error) => {
    const err = error instanceof Error ? error : new Error(JSON.stringify(error))
    outside(() => log.warn({ err, endpoint }, 'could not send traces to the collector'))
  })
  const headers = { ...config.otlpHeaders, ...config.otlpTracesHeaders }
  const losses = countLosses(
    (rejected) => createExporter({ url, headers }, rejected),
    (counted) => new BatchSpanProcessor({ exporter: counted, maxQueueSize: mostWaiting }),
    {
      most: mostWaiting,
      metrics,
      tell: (lost) => outside(() => log.warn({ ...lost, endpoint }, 'spans were lost')),
    },
  )
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.version': version,
      'service.instance.id': randomUUID(),
      'host.name': hostname(),
      ...config.otelResourceAttributes,
      'service.name': config.otelServiceName,
      'process.pid': process.pid,
    }),
    sampler: samplerOf(config),
    spanLimits: { attributeValueLengthLimit: longestAttribute },
    spanProcessors: [losses.processor],
  })
  const tracer = provider.getTracer('keyturn', version)
  const contexts = new AsyncLocalStorage<Context>()

  const spanHere = (): OtelSpan | undefined => {
    const context = contexts.getStore()
    return context && trace.getSpan(context)
  }
  const told = (span: OtelSpan): Span => ({
    set: (attributes) => void span.setAttributes(attributes),
    fail(type) {
      span.setAttribute('error.type', type)
      span.setStatus({ code: SpanStatusCode.ERROR })
    },
  })

  function parentOf(traceparent: string | undefined): Context {
    const parent = traceparent === undefined ? null : parseTraceParent(traceparent)
    return parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }) : ROOT_CONTEXT
  }

  return {
    request(traceparent, work) {
      const parent = parentOf(traceparent)
      const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, parent)
      contexts.run(trace.setSpan(parent, span), () =>
        work({
          ...told(span),
          rename: (name) => void span.updateName(name),
          end: () => span.end(),
        }),
      )
    },
    span({ name, kind, attributes, root }, work) {
      const parent = contexts.getStore() ?? (root ? ROOT_CONTEXT : undefined)
      if (!parent) return work(untold)
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, parent)
      return contexts.run(trace.setSpan(parent, span), async () => {
        try {
          return await work(told(span))
        } catch (error) {
          // The error's text may quote secrets; its kind does not.
          told(span).fail(typeOf(error))
          throw error
        } finally {
          span.end()
        }
      })
    },
    ids() {
      const context = spanHere()?.spanContext()
      return context && { trace_id: context.traceId, span_id: context.spanId }
    },
    async stop() {
      await inTime(provider.shutdown(), patience).catch(() => undefined)
      losses.end()
    },
  }
}

function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.constructor.name
}
