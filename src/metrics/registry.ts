import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { inTime } from '../in-time.ts'
import {
  type CounterName,
  catalogue,
  type GaugeName,
  type MetricName,
  shapeOf,
} from './catalogue.ts'
import type { Metrics, Reading } from './metrics.ts'

/** The metrics of one process. */
export interface MetricsRegistry extends Metrics {
  /**
   * All current figures, serialisable for another process.
   * @param shared whether to include those of the installation, for which Postgres is asked
   */
  read(shared: boolean): Promise<Figures>
}

/** What one process measured. */
export type Figures = Figure[]

interface Figure {
  name: string
  help: string
  type: unknown
  /** How figures of several processes are combined. */
  aggregator?: string
  values: { value: number; labels: object; metricName?: string }[]
}

/** The value of a counter that is kept elsewhere. */
export type Counted = readonly [
  name: CounterName,
  labels: Readonly<Record<string, string>>,
  value: number,
]

/** Metrics of the library to drop: gauges named like counters, and each heap space. */
const unwanted = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_heap_space_size_total_bytes',
  'nodejs_heap_space_size_used_bytes',
  'nodejs_heap_space_size_available_bytes',
]

/** Milliseconds that one answer waits for its slowest gauge. */
const patience = 2000
/** Most label combinations per metric; any further one becomes "other". No metric of ours comes near it. */
const mostSeries = 1000

/** @param counted returns the counters kept elsewhere; called at each scrape */
export function createMetricsRegistry(counted: () => Counted[]): MetricsRegistry {
  const own = new Registry()
  const installation = new Registry()
  const counters = new Map<MetricName, Counter>()
  const histograms = new Map<MetricName, Histogram>()
  const gauges = new Map<MetricName, Gauge>()
  const readers = new Map<GaugeName, () => Reading<GaugeName>[] | Promise<Reading<GaugeName>[]>>()
  const series = new Map<MetricName, Set<string>>()
  let reading: Promise<unknown> = Promise.resolve()

  for (const name of Object.keys(catalogue) as MetricName[]) {
    const {
      type,
      help,
      labels = [],
      initial = [],
      buckets = [],
      across = 'sum',
      shared,
    } = shapeOf(name)
    const registers = [shared ? installation : own]
    const common = { name, help, labelNames: [...labels], registers }
    if (type === 'counter') counters.set(name, new Counter(common))
    else if (type === 'gauge') gauges.set(name, new Gauge({ ...common, aggregator: across }))
    else histograms.set(name, new Histogram({ ...common, buckets: [...buckets] }))
    for (const each of initial) {
      counters.get(name)?.inc(each, 0)
      histograms.get(name)?.zero(each)
    }
  }
  collectDefaultMetrics({ register: own })
  for (const name of unwanted) own.removeSingleMetric(name)

  function bounded(
    name: MetricName,
    labels: Readonly<Record<string, string>>,
  ): Readonly<Record<string, string>> {
    const values = Object.values(labels)
    if (values.length === 0) return labels
    const known = series.get(name) ?? new Set()
    series.set(name, known)
    const key = values.join('\n')
    if (known.has(key)) return labels
    if (known.size < mostSeries) {
      known.add(key)
      return labels
    }
    return Object.fromEntries(Object.keys(labels).map((label) => [label, 'other']))
  }

  async function readGauge(name: GaugeName): Promise<void> {
    const gauge = gauges.get(name)
    const asked = (async () => readers.get(name)?.())()
    const readings = await inTime(asked, patience).catch(() => undefined)
    gauge?.reset()
    // After a reset a gauge without labels is 0; if it cannot be read it must be absent.
    if (!readings?.length && !shapeOf(name).labels) gauge?.remove()
    for (const [labels, value] of readings ?? []) gauge?.set(labels, value)
  }

  function takeCounted(): void {
    const figures = counted()
    for (const name of new Set(figures.map(([each]) => each))) counters.get(name)?.reset()
    for (const [name, labels, value] of figures) counters.get(name)?.inc(labels, value)
  }

  async function read(shared: boolean): Promise<Figures> {
    takeCounted()
    const wanted = [...gauges.keys()].filter((name) => shared || !shapeOf(name).shared)
    await Promise.all(wanted.map((name) => readGauge(name as GaugeName)))
    const figures = await own.getMetricsAsJSON()
    return shared ? [...figures, ...(await installation.getMetricsAsJSON())] : figures
  }

  return {
    isOn: true,
    count: (name, labels, by = 1) => counters.get(name)?.inc(bounded(name, labels), by),
    observe: (name, labels, seconds) =>
      histograms.get(name)?.observe(bounded(name, labels), seconds),
    gauge: (name, reader) => void readers.set(name, reader as never),
    // One after the other: a gauge is empty while it is being read.
    read(shared) {
      const next = reading.then(() => read(shared))
      reading = next.catch(() => undefined)
      return next
    },
  }
}
