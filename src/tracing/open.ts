import type { Config } from '../../config/config.ts'
import type { Log } from '../log.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { useTracer } from './trace.ts'

/**
 * Starts tracing, if it is configured.
 * @returns stops it after sending the remaining spans
 */
export async function startTracing(
  config: Config,
  log: Log,
  metrics: Metrics = noMetrics,
): Promise<() => Promise<void>> {
  const { otlpTracesEndpoint: url, otelDisabled, otelTracesExporter, otlpTracesProtocol } = config
  if (url === undefined || otelDisabled || otelTracesExporter === 'none')
    return async () => undefined
  if (otlpTracesProtocol !== 'http/json') {
    log.warn(
      { expected: 'http/json', came: otlpTracesProtocol },
      'OTEL_EXPORTER_OTLP_PROTOCOL or …_TRACES_PROTOCOL is ignored: traces are sent as http/json',
    )
  }
  const { otelWithoutEffect: variables } = config
  if (variables.length > 0)
    log.warn({ variables }, 'OpenTelemetry variables that are not supported are ignored')
  const { createTracer } = await import('./sdk.ts')
  const tracer = createTracer(config, url, log, metrics)
  useTracer(tracer)
  return async () => {
    useTracer(undefined)
    await tracer.stop()
  }
}
