import type { Log } from './log.ts'

/** Events that are too frequent for a log line each: they are counted, and logged as a number. */
export interface Tally {
  level: 'info' | 'warn'
  message: string
  /** The counts so far, by kind. */
  read(): Readonly<Record<string, number>>
  /** The least total that is logged. */
  least?: number
  /** Further members of the line, about the time since the last call. */
  beside?(): object
}

/** Milliseconds between two lines of one tally. */
const every = 10_000

/**
 * Logs each tally that has grown, once in ten seconds, with its growth by kind: under overload, a refusal costs only an
 * increment.
 * @returns a function that stops this and logs the rest
 */
export function tellTallies(tallies: readonly Tally[], log: Log): () => void {
  const told = tallies.map(({ read }) => read())

  function tell(): void {
    for (const [i, { level, message, read, least = 1, beside }] of tallies.entries()) {
      const before = told[i] ?? {}
      const now = read()
      const grown = Object.entries(now)
        .map(([kind, count]) => [kind, count - (before[kind] ?? 0)] as const)
        .filter(([, more]) => more > 0)
      told[i] = now
      const more = beside?.()
      const all = grown.reduce((sum, [, count]) => sum + count, 0)
      if (all >= least) log[level]({ ...Object.fromEntries(grown), ...more }, message)
    }
  }

  const timer = setInterval(tell, every).unref()
  return () => {
    clearInterval(timer)
    tell()
  }
}
