import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { createHashQueue, type HashQueue, type InTurn, type Turn } from './hash-queue.ts'

/**
 * Where passwords wait for their hash, in two queues of the same rules. Before a guess is hashed it is counted, which
 * takes a transaction: as many as there are places do so while those ahead of them are hashed, so that no place waits for
 * Postgres. All together are no more than they would be in one queue.
 *
 * | queue  | how many at once    | who turns somebody away        |
 * |--------|---------------------|--------------------------------|
 * | line   | twice the places    | this one                       |
 * | places | hashes at once      | nobody: the line has let them in |
 */
export interface HashLine {
  line: HashQueue
  places: InTurn
}

export function createHashLine({
  concurrency,
  length,
  onRefusal,
  metrics = noMetrics,
}: {
  concurrency: number
  length: number
  onRefusal?: () => void
  metrics?: Metrics
}): HashLine {
  const ahead = Math.min(concurrency, length)
  const line = createHashQueue({
    concurrency: concurrency + ahead,
    length: length - ahead,
    ...(onRefusal ? { onRefusal } : {}),
  })
  const places = createHashQueue({ concurrency, length: ahead })
  const secondsSince = (began: number) => (performance.now() - began) / 1000

  metrics.gauge('keyturn_hash_queue_waiting', () => [[{}, line.waiting() + places.waiting()]])
  metrics.gauge('keyturn_hash_queue_running', () => [[{}, places.running()]])

  const inLine = <T>(work: () => Promise<T>, turn?: Turn) =>
    traced(
      () => ({ name: 'password hash', kind: 'internal', attributes: {} }),
      (span) => {
        const came = performance.now()
        return line(() => {
          const waited = secondsSince(came)
          metrics.observe('keyturn_hash_queue_wait_seconds', {}, waited)
          span.set({ 'keyturn.wait_ms': Math.round(waited * 1000) })
          return work()
        }, turn)
      },
    )

  const inPlace = <T>(work: () => Promise<T>, turn?: Turn) =>
    places(() => {
      const began = performance.now()
      return work().finally(() =>
        metrics.observe('keyturn_hash_duration_seconds', {}, secondsSince(began)),
      )
    }, turn)

  return { line: Object.assign(inLine, { hasRoom: line.hasRoom }), places: inPlace }
}
