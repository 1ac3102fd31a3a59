/**
 * Destinations that do not answer. Each gets a pause of its own, so that a queue of messages for one that is down does
 * not hold every connection of this node for as long as a connection may hang.
 */
export interface Pauses {
  /** Nobody answered there. */
  unanswered(destination: string): void
  /** Somebody did. */
  answered(destination: string): void
  /** Where nothing is to be sent now. */
  current(): string[]
}

/** Milliseconds. */
const first = 500
const longest = 10_000

/** @param now milliseconds, by a clock that never jumps */
export function createPauses(now: () => number = () => performance.now()): Pauses {
  const known = new Map<string, { length: number; until: number }>()
  return {
    unanswered(destination) {
      const before = known.get(destination)
      // Attempts that were under way together fail together, and count once.
      if (before && before.until > now()) return
      const length = before ? Math.min(longest, before.length * 2) : first
      known.set(destination, { length, until: now() + length })
    },
    answered: (destination) => void known.delete(destination),
    current() {
      const at = now()
      for (const [destination, { until }] of known) {
        if (until + 60_000 < at) known.delete(destination)
      }
      return [...known].filter(([, { until }]) => until > at).map(([destination]) => destination)
    },
  }
}
