import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { setBounded } from '../bounded-map.ts'

/** Most durations remembered per kind of hash, and most kinds; the least recently used kind is dropped. */
const mostDurations = 32
const mostKinds = 16

/**
 * The scheme and the parameters of a hash, without salt and key.
 * @param stored in any of the notations of `imported-hash.ts`
 */
function kindOf(stored: string): string {
  const parts = stored.split('$')
  // bcrypt joins salt and key; argon2 hashes of earlier versions have their parameters in another order.
  const kind = parts.slice(0, stored.startsWith('$2') ? 3 : -2)
  return kind.map((part) => part.split(',').toSorted().join(',')).join('$')
}

/** A duration that covers nearly all; at most twice the median, so that one outlier counts little. */
function nearlyAll(durations: readonly number[]): number {
  const sorted = durations.toSorted((one, other) => one - other)
  const middle = sorted[sorted.length >> 1] ?? 0
  return Math.min(sorted.at(-1) ?? 0, 2 * middle)
}

/**
 * Equalises the time of failed verifications across kinds of hashes: a faster one waits for the difference to the
 * slowest kind in use (ASVS 6.3.8). Waiting takes neither a place in the queue nor processor time. The number of
 * waiters is bounded: each has had a place before, so there are no more than verifications end in that time.
 *
 * | kinds verified by this process | a wrong password takes              | a right one  |
 * |--------------------------------|-------------------------------------|--------------|
 * | only ours                      | its own time                        | its own time |
 * | ours and others                | the recent time of the slowest kind | its own time |
 */
export function createEvenTime() {
  const kinds = new Map<string, number[]>()

  function note(kind: string, took: number): void {
    const durations = kinds.get(kind) ?? []
    setBounded(kinds, kind, [...durations.slice(1 - mostDurations), took], mostKinds)
  }

  return {
    /** @returns the result of `verify`, and how many milliseconds it took */
    async measure(stored: string, verify: () => Promise<boolean>) {
      const began = performance.now()
      const isRight = await verify()
      const took = performance.now() - began
      note(kindOf(stored), took)
      return { isRight, took }
    },

    /** After a verification that took `took` milliseconds, waits for the difference to the slowest kind. */
    async wait(took: number): Promise<void> {
      if (kinds.size < 2) return
      const left = Math.max(...[...kinds.values()].map(nearlyAll)) - took
      if (left > 0) await pause(left)
    },
  }
}
