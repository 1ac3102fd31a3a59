import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { parseTraceParent, setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
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
import type { Log } from '../log.ts'
import { version } from '../version.ts'
import type { Span, Tracer } from './trace.ts'

const kinds = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT } as const

/** Characters of one attribute; a statement may be long. */
const longestAttribute = 1000

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
 * Traces that go to a collector. Nothing is registered globally: what other libraries would tell on their own has not
 * been looked at, and is not told.
 */
export function createTracer(config: Config, url: string, log: Log): Tracer {
  setGlobalErrorHandler((error) => {
    const err = error instanceof Error ? error : new Error(JSON.stringify(error))
    log.warn({ err }, 'traces did not reach the collector')
  })
  const headers = { ...config.otlpHeaders, ...config.otlpTracesHeaders }
  const exporter = new OTLPTraceExporter({ url, headers })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      ...config.otelResourceAttributes,
      'service.name': config.otelServiceName,
      'service.version': version,
      'process.pid': process.pid,
    }),
    sampler: samplerOf(config),
    spanLimits: { attributeValueLengthLimit: longestAttribute },
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  const tracer = provider.getTracer('keyturn', version)
  const contexts = new AsyncLocalStorage<Context>()

  const spanHere = (): OtelSpan | undefined => {
    const context = contexts.getStore()
    return context && trace.getSpan(context)
  }
  const told = (span: OtelSpan): Span => ({
    set: (attributes) => void span.setAttributes(attributes),
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
          end(failed) {
            if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
            span.end()
          },
        }),
      )
    },
    span({ name, kind, attributes, root }, work) {
      const parent = contexts.getStore() ?? (root ? ROOT_CONTEXT : undefined)
      if (!parent) return work({ set: () => undefined })
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, parent)
      return contexts.run(trace.setSpan(parent, span), async () => {
        try {
          return await work(told(span))
        } catch (error) {
          // Its text may quote anything; its kind does not.
          span.setAttribute('error.type', typeOf(error))
          span.setStatus({ code: SpanStatusCode.ERROR })
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
    stop: () => provider.shutdown(),
  }
}

function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.constructor.name
}
