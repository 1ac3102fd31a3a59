/**
 * Destinations that do not answer. Each is paused on its own, so that the queue for one that is down does not occupy
 * all connections of this node until they time out.
 */
export interface Pauses {
  /** Records that the destination did not answer. */
  unanswered(destination: string): void
  /** Records that it answered. */
  answered(destination: string): void
  /** The destinations that are paused now. */
  current(): string[]
}

/** Milliseconds. */
const first = 500
const longest = 10_000

/** @param now milliseconds, monotonic */
export function createPauses(now: () => number = () => performance.now()): Pauses {
  const known = new Map<string, { length: number; until: number }>()
  return {
    unanswered(destination) {
      const before = known.get(destination)
      // Attempts in progress at the same time fail together and count once.
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
