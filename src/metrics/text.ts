import { AggregatorRegistry, type Registry } from 'prom-client'
import type { Figures } from './registry.ts'

/** How the library adds up what it measures of a process, where another way says more: of workers the worst, the first. */
const better: Readonly<Record<string, string>> = { average: 'max', omit: 'min' }

/** The figures of several processes as those of one. */
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
 * What is left of processes that are no more: what they counted goes on to count, or a sum would fall and look like a
 * restart of everything. What they were (gauges) is over.
 */
export async function whatLasts(figures: Figures[]): Promise<Figures> {
  const lasting = figures.map((each) => each.filter(({ type }) => type !== 'gauge'))
  return together(lasting).getMetricsAsJSON()
}
