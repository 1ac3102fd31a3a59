import { beat, untilBeat } from './beat.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import { type Metrics, noMetrics, timed } from './metrics/metrics.ts'

/** Work that a process does again and again beside its requests. */
export interface Round {
  /** Seconds, at most, between the end of one and the start of the next. */
  seconds: number
  what: string
  /** It is for the installation: of several workers on a machine one does it. */
  once?: true
  work(): Promise<unknown>
}

/**
 * Repeats it, one at a time: a round that takes longer than the pause is not overtaken by the next. One that fails is
 * logged, and followed like any other.
 * @returns ends it; what is under way ends by itself
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
  // An increase is one of a series that was there before.
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
 * Repeats each of them, and says when each was done last.
 * @returns ends them
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
 * The whole pause or down to three quarters of it, another each time, and on the beat: processes that were started together
 * part, and what one process does comes together.
 * @returns milliseconds
 */
export function pauseOf(seconds: number): number {
  const most = Math.floor((seconds * 1000) / beat)
  if (most < 2) return seconds * (750 + 250 * Math.random())
  const least = Math.ceil(most * 0.75)
  return untilBeat(least + Math.floor(Math.random() * (most - least + 1)))
}
