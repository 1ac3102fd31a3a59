import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { setBounded } from '../bounded-map.ts'

/** Durations that are remembered of each kind, and kinds, of which the one that was seen least lately gives way. */
const mostDurations = 32
const mostKinds = 16

/**
 * The scheme and the parameters of a hash, without salt and key.
 * @param stored in any of the notations of `imported-hash.ts`
 */
function kindOf(stored: string): string {
  const parts = stored.split('$')
  // bcrypt writes salt and key in one; argon2 was written with its parameters in another order before.
  const kind = parts.slice(0, stored.startsWith('$2') ? 3 : -2)
  return kind.map((part) => part.split(',').toSorted().join(',')).join('$')
}

/** As long as nearly all of them take; no more than twice the middle one, so that one that was held up counts little. */
function nearlyAll(durations: readonly number[]): number {
  const sorted = durations.toSorted((one, other) => one - other)
  const middle = sorted[sorted.length >> 1] ?? 0
  return Math.min(sorted.at(-1) ?? 0, 2 * middle)
}

/**
 * Makes verifying take as long for every kind of hash: what was verified without success waits for as long as it was
 * faster than the slowest kind in use (ASVS 6.3.8). Waiting takes no place in the queue and no processor. Those who wait
 * are few by themselves: each has had a place before, so there are no more than verifications end in that time.
 *
 * | kinds that this process has verified | a wrong password                         | a right one |
 * |--------------------------------------|------------------------------------------|-------------|
 * | ours                                 | as long as it takes                      | the same    |
 * | ours and others                      | as long as the slowest of them took lately | as long as it takes |
 */
export function createEvenTime() {
  const kinds = new Map<string, number[]>()

  function note(kind: string, took: number): void {
    const durations = kinds.get(kind) ?? []
    setBounded(kinds, kind, [...durations.slice(1 - mostDurations), took], mostKinds)
  }

  return {
    /** @returns what `verify` found, and how many milliseconds it took */
    async measure(stored: string, verify: () => Promise<boolean>) {
      const began = performance.now()
      const isRight = await verify()
      const took = performance.now() - began
      note(kindOf(stored), took)
      return { isRight, took }
    },

    /** Waits, after one that took so many milliseconds, for as long as the slowest kind would have taken more. */
    async wait(took: number): Promise<void> {
      if (kinds.size < 2) return
      const left = Math.max(...[...kinds.values()].map(nearlyAll)) - took
      if (left > 0) await pause(left)
    },
  }
}
