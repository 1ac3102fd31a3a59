import type { Log } from './log.ts'

/** Work that a process does again and again beside its requests. */
export interface Round {
  /** Seconds, at most, between the end of one and the start of the next. */
  seconds: number
  what: string
  work(): Promise<unknown>
}

/**
 * Repeats it, one at a time: a round that takes longer than the pause is not overtaken by the next. One that fails is
 * logged, and followed like any other.
 * @returns ends it; what is under way ends by itself
 */
export function repeat({ seconds, what, work }: Round, log: Log): () => void {
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  function plan(): void {
    if (!isOver) timer = setTimeout(round, pauseOf(seconds)).unref()
  }
  function round(): void {
    work()
      .catch((error: Error) => log.warn({ err: error, what }, 'background work failed'))
      .finally(plan)
  }
  plan()
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

/**
 * The whole pause or down to a half of it, another each time: processes that were started together part.
 * @returns milliseconds
 */
export function pauseOf(seconds: number): number {
  return seconds * (500 + 500 * Math.random())
}
