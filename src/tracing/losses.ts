import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import type { Metrics } from '../metrics/metrics.ts'
import type { Rejected } from './exporter.ts'

/** Spans that nobody will see: too many waited, or the collector did not take them. */
interface Lost {
  queue: number
  export: number
  /** What the collector said last of those that it did not take from among others. */
  collector?: string
}

/** Milliseconds between two lines about them. */
const every = 10_000

/**
 * Counts the spans that are lost, which the library itself tells nobody.
 * @param open makes the exporter
 * @param batch makes what collects spans for an exporter, and keeps `most` of them
 * @param tell hears how many were lost since the last time, once in ten seconds and at the end
 */
export function countLosses(
  open: (rejected: Rejected) => SpanExporter,
  batch: (exporter: SpanExporter) => SpanProcessor,
  { most, metrics, tell }: { most: number; metrics: Metrics; tell: (lost: Lost) => void },
): { processor: SpanProcessor; end(): void } {
  let waiting = 0
  let sending = 0
  let isOver = false
  const underWay = new Set<Promise<void>>()
  let lost: Lost = { queue: 0, export: 0 }

  function lose(reason: 'queue' | 'export', spans: number): void {
    if (isOver) return
    lost[reason] += spans
    metrics.count('keyturn_spans_lost_total', { reason }, spans)
  }
  function tellLost(): void {
    if (lost.queue + lost.export > 0) tell(lost)
    lost = { queue: 0, export: 0 }
  }
  const timer = setInterval(tellLost, every).unref()
  lose('queue', 0)
  lose('export', 0)

  const exporter = open((spans, message) => {
    lose('export', spans)
    lost.collector = message
  })
  const inner = batch({
    export(spans, done) {
      waiting -= spans.length
      sending += spans.length
      const { promise, resolve } = Promise.withResolvers<void>()
      underWay.add(promise)
      exporter.export(spans, (result: ExportResult) => {
        sending -= spans.length
        underWay.delete(promise)
        resolve()
        if (result.code !== ExportResultCode.SUCCESS) lose('export', spans.length)
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  })
  return {
    processor: {
      onStart: (span, context) => inner.onStart(span, context),
      onEnd(span) {
        const isSampled = (span.spanContext().traceFlags & 1) === 1
        if (!isSampled) return
        if (waiting >= most) {
          lose('queue', 1)
          return
        }
        waiting++
        inner.onEnd(span)
      },
      forceFlush: () => inner.forceFlush(),
      async shutdown() {
        try {
          await inner.shutdown()
        } finally {
          // For the library one that fails is the end, whatever else is under way.
          await Promise.all(underWay)
        }
      },
    },
    end() {
      clearInterval(timer)
      // What is still on its way has nobody who waits for it.
      lose('export', waiting + sending)
      tellLost()
      isOver = true
    },
  }
}
