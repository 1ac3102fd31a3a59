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
