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

/** The metrics of one process, as they are kept and given. */
export interface MetricsRegistry extends Metrics {
  /**
   * All figures now, fit to be sent to another process.
   * @param shared whether those of the installation are among them, which Postgres is asked for
   */
  read(shared: boolean): Promise<Figures>
}

/** What one process measured. */
export type Figures = Figure[]

interface Figure {
  name: string
  help: string
  type: unknown
  /** How those of several processes become one. */
  aggregator?: string
  values: { value: number; labels: object; metricName?: string }[]
}

/** A figure of a counter that is kept elsewhere. */
export type Counted = readonly [
  name: CounterName,
  labels: Readonly<Record<string, string>>,
  value: number,
]

/** Of what the library measures: gauges that are named like counters, and every space of the heap. */
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
/** Combinations of labels of one metric; beyond, all of them are "other". No table of ours comes near it. */
const mostSeries = 1000

/** @param counted what is counted elsewhere, asked at each reading */
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
    // Without labels it is 0 after a reset, and has to be nothing where it could not be read.
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
    // One after the other: a gauge is empty for a moment while it is read.
    read(shared) {
      const next = reading.then(() => read(shared))
      reading = next.catch(() => undefined)
      return next
    },
  }
}
