import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import type { Metrics } from '../metrics/metrics.ts'
import type { Rejected } from './exporter.ts'

/** Lost spans: the queue was full, or the collector did not accept them. */
interface Lost {
  queue: number
  export: number
  /** The collector's last message about spans it rejected from an otherwise accepted export. */
  collector?: string
}

/** Milliseconds between two log lines about them. */
const every = 10_000

/**
 * Counts lost spans, which the library does not report.
 * @param open creates the exporter
 * @param batch creates the batch processor for an exporter, with a queue of `most` spans
 * @param tell called with the losses since the last call, at most every ten seconds and at the end
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
          // The library stops at the first failure, whatever else is in progress.
          await Promise.all(underWay)
        }
      },
    },
    end() {
      clearInterval(timer)
      // Exports still in progress are no longer awaited.
      lose('export', waiting + sending)
      tellLost()
      isOver = true
    },
  }
}
