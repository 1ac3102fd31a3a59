import type { Log } from './log.ts'

/** What happens too often for a line each: it is counted where it happens, and told of by number. */
export interface Tally {
  level: 'info' | 'warn'
  message: string
  /** How often so far, by kind. */
  read(): Readonly<Record<string, number>>
  /** Of fewer, all kinds together, nothing is told. */
  least?: number
  /** What else is told, of the time since it was asked last. */
  beside?(): object
}

/** Milliseconds between two lines of one tally. */
const every = 10_000

/**
 * Writes a line for each tally that has grown, once in ten seconds, with how much by kind: what is done in an overload
 * for each refusal is an integer.
 * @returns ends it, and tells what has not been told
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
