import type { CounterName, GaugeName, HistogramName, Labels } from './catalogue.ts'

/** Metrics of this process. Without METRICS_PORT they are off, and each method does nothing. */
export interface Metrics {
  readonly isOn: boolean
  /** @param by 1 unless said otherwise */
  count<Name extends CounterName>(name: Name, labels: Labels<Name>, by?: number): void
  /** @param seconds how long something took */
  observe<Name extends HistogramName>(name: Name, labels: Labels<Name>, seconds: number): void
  /** Registers how a gauge is read at each scrape. A gauge that fails is left out of that answer. */
  gauge<Name extends GaugeName>(name: Name, read: Reader<Name>): void
}

/** A figure of a gauge. */
export type Reading<Name extends GaugeName> = readonly [labels: Labels<Name>, value: number]

type Reader<Name extends GaugeName> = () => Reading<Name>[] | Promise<Reading<Name>[]>

export const noMetrics: Metrics = {
  isOn: false,
  count: () => undefined,
  observe: () => undefined,
  gauge: () => undefined,
}

/** Runs `work` and reports its duration, even when it fails. */
export async function timed<T>(
  { isOn }: Metrics,
  took: (seconds: number, failed: boolean) => void,
  work: () => Promise<T>,
): Promise<T> {
  if (!isOn) return work()
  const began = performance.now()
  let failed = true
  try {
    const result = await work()
    failed = false
    return result
  } finally {
    took((performance.now() - began) / 1000, failed)
  }
}
