import type { Counters } from '../counters.ts'
import { figuresOf, type Log } from '../log.ts'
import { type Metrics, noMetrics } from './metrics.ts'
import type { Figures } from './registry.ts'

/** Metrics, and how to read them where they are on. */
export interface OpenMetrics {
  metrics: Metrics
  /** @param shared whether to include those of the installation */
  read?(shared: boolean): Promise<Figures>
}

/**
 * The metrics of this process. Without METRICS_PORT the library is not even loaded.
 * @param version of this program
 */
export async function openMetrics(
  { metricsPort }: { metricsPort: number | undefined },
  counters: Counters,
  log: Log,
  version: string,
): Promise<OpenMetrics> {
  if (metricsPort === undefined) return { metrics: noMetrics }
  const { createMetricsRegistry } = await import('./registry.ts')
  const { countedBy } = await import('./counted.ts')
  const registry = createMetricsRegistry(() => countedBy(counters, figuresOf(log)))
  registry.gauge('keyturn_build_info', () => [[{ version, node: process.version }, 1]])
  return { metrics: registry, read: registry.read }
}
