import { beat, untilBeat } from './beat.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import { type Metrics, noMetrics, timed } from './metrics/metrics.ts'

/** Periodic background work of a process. */
export interface Round {
  /** The maximum number of seconds between the end of one round and the start of the next. */
  seconds: number
  what: string
  /** Whether the work is for the whole installation, so that only one of several workers on a machine does it. */
  once?: true
  work(): Promise<unknown>
}

/**
 * Repeats a round, one at a time: a slow round delays the next. A failure is logged, and the next round follows as
 * usual.
 * @returns a function that stops the repetition; a round in progress completes
 */
export function repeat(
  { seconds, what, work }: Round,
  log: Log,
  metrics: Metrics = noMetrics,
): () => void {
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  function plan(): void {
    if (!isOver) timer = setTimeout(round, pauseOf(seconds)).unref()
  }
  function took(duration: number, failed: boolean): void {
    metrics.observe('keyturn_round_duration_seconds', { round: what }, duration)
    const outcome = failed ? 'failed' : 'done'
    metrics.count('keyturn_rounds_total', { round: what, outcome })
  }
  function round(): void {
    timed(metrics, took, work)
      .catch((error: Error) => log.warn({ err: error, what }, 'background work failed'))
      .finally(plan)
  }
  // Both series start at 0, so that the first increase is visible.
  for (const outcome of ['done', 'failed']) {
    metrics.count('keyturn_rounds_total', { round: what, outcome }, 0)
  }
  plan()
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

/**
 * Repeats all rounds, and reports the time of the last success of each as a metric.
 * @returns a function that stops all
 */
export function startRounds(
  rounds: readonly Round[],
  { log, metrics, clock }: { log: Log; metrics: Metrics; clock: Clock },
): () => void {
  const doneAt = new Map<string, number>()
  metrics.gauge('keyturn_round_last_success_timestamp_seconds', () =>
    [...doneAt].map(([round, at]) => [{ round }, at / 1000]),
  )
  const ends = rounds.map(({ work, ...round }) =>
    repeat(
      {
        ...round,
        async work() {
          await work()
          doneAt.set(round.what, clock.now())
        },
      },
      log,
      metrics,
    ),
  )
  return () => {
    for (const end of ends) end()
  }
}

/**
 * A random pause between three quarters of `seconds` and all of it, ending on a beat: processes that started together
 * drift apart, while the rounds of one process run together.
 * @returns milliseconds
 */
export function pauseOf(seconds: number): number {
  const most = Math.floor((seconds * 1000) / beat)
  if (most < 2) return seconds * (750 + 250 * Math.random())
  const least = Math.ceil(most * 0.75)
  return untilBeat(least + Math.floor(Math.random() * (most - least + 1)))
}
