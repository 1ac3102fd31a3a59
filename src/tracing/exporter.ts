import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import { JsonTraceSerializer, TraceExporterMetricsHelper } from '@opentelemetry/otlp-transformer'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

/** Number of spans of one export that the collector rejected, and its message. */
export type Rejected = (spans: number, message: string) => void

const longestMessage = 300

/**
 * Exports spans over OTLP/HTTP as JSON. Unlike the library's exporter it reports partially rejected exports.
 * @param rejected called on a partial success (OTLP specification, "Partial Success")
 */
export function createExporter(
  { url, headers }: { url: string; headers: Record<string, string> },
  rejected: Rejected,
): SpanExporter {
  const options = convertLegacyHttpOptions({ url, headers }, 'TRACES', 'v1/traces', {
    'Content-Type': 'application/json',
  })
  const serializer: typeof JsonTraceSerializer = {
    ...JsonTraceSerializer,
    deserializeResponse(bytes) {
      const response = JsonTraceSerializer.deserializeResponse(bytes)
      // A 64-bit number, which ProtoJSON encodes as text.
      const partial: { rejectedSpans?: number | string; errorMessage?: string } =
        response.partialSuccess ?? {}
      const spans = Number(partial.rejectedSpans)
      if (Number.isSafeInteger(spans) && spans > 0) {
        rejected(spans, (partial.errorMessage ?? '').slice(0, longestMessage))
      }
      return response
    },
  }
  return new OTLPExporterBase<ReadableSpan[]>(
    createOtlpHttpExportDelegate(
      options,
      serializer,
      'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  )
}
