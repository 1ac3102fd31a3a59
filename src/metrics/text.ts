import { AggregatorRegistry, type Registry } from 'prom-client'
import type { Figures } from './registry.ts'

/**
 * Better aggregations for the library's own metrics: the worst value instead of the average; the lowest (earliest
 * start) where it would omit the metric.
 */
const better: Readonly<Record<string, string>> = { average: 'max', omit: 'min' }

/** Combines the figures of several processes. */
function together(figures: Figures[]): Registry {
  const added = figures.map((each) =>
    each.map((metric) => {
      const { aggregator = 'sum' } = metric
      return { ...metric, aggregator: better[aggregator] ?? aggregator }
    }),
  )
  return AggregatorRegistry.aggregate(added)
}

/** The figures of several processes in the text format of Prometheus. */
export function textOf(figures: Figures[]): Promise<string> {
  return together(figures).metrics()
}

/**
 * The figures that remain of ended processes. Counters stay, or their sum would fall and look like a restart. Gauges
 * are dropped.
 */
export async function whatLasts(figures: Figures[]): Promise<Figures> {
  const lasting = figures.map((each) => each.filter(({ type }) => type !== 'gauge'))
  return together(lasting).getMetricsAsJSON()
}
