/** What of a proof is remembered. */
export interface Proof {
  /** Thumbprint of the key that made it. */
  key: string
  /** Its `jti`, or a hash of that. */
  id: string
  /** Its `iat`, in seconds. */
  issuedAt: number
}

/**
 * Remembers proofs, so that none counts twice. Its size is bounded, and so is the part of each key. No replay gets
 * through: what was forgotten is refused.
 *
 * | full is                        | forgotten, and refused from now on                    | where that is no help      |
 * |--------------------------------|-------------------------------------------------------|----------------------------|
 * | the part of a key              | its oldest second, and what it made before            | its proof is refused       |
 * | the half for those ahead of now | nothing                                              | such a proof is refused    |
 * | all of it                      | the oldest second of all, and before; never now       | the proof is refused       |
 */
export interface ReplayMemory {
  /**
   * @param now in seconds
   * @param oldest proofs made up to then are refused anyway, and forgotten
   */
  isFirst(proof: Proof, at: { now: number; oldest: number }): boolean
  /** Proofs that are remembered. */
  size(): number
}

interface Part {
  size: number
  /** Nothing that this key made in this second or before counts any more. */
  forgotten: number
}

/**
 * @param capacity proofs
 * @param ofKey proofs of one key
 */
export function createReplayMemory(
  capacity: number,
  ofKey = Math.min(1000, Math.ceil(capacity / 10)),
): ReplayMemory {
  /** Second of `iat` → key → ids. */
  const seconds = new Map<number, Map<string, Set<string>>>()
  /** Second of `iat` → ids of all keys. */
  const counts = new Map<number, number>()
  /** Of those keys alone that something is remembered of. */
  const parts = new Map<string, Part>()
  let size = 0
  /** Nothing of this second or before counts any more, whoever made it. */
  let forgotten = -Infinity

  function forgetOf(key: string, second: number): void {
    const keys = seconds.get(second)
    const freed = keys?.get(key)?.size ?? 0
    keys?.delete(key)
    size -= freed
    const count = (counts.get(second) ?? 0) - freed
    counts.set(second, count)
    if (count === 0) {
      seconds.delete(second)
      counts.delete(second)
    }
    const part = parts.get(key)
    if (!part) return
    part.size -= freed
    // Its mark is of no use any more: what is forgotten for all, or too old, is later than that.
    if (part.size === 0) parts.delete(key)
  }

  function forget(second: number): void {
    for (const key of seconds.get(second)?.keys() ?? []) forgetOf(key, second)
  }

  function oldestOf(key: string): number {
    let oldest = Infinity
    for (const [second, keys] of seconds) if (second < oldest && keys.has(key)) oldest = second
    return oldest
  }

  function hasRoomAhead(present: number): boolean {
    let ahead = 0
    for (const [second, count] of counts) if (second > present) ahead += count
    return ahead < capacity / 2
  }

  return {
    isFirst({ key, id, issuedAt }, { now, oldest }) {
      const second = Math.floor(issuedAt)
      const present = Math.floor(now)
      for (const each of seconds.keys()) if (each < Math.floor(oldest)) forget(each)

      const part = parts.get(key) ?? { size: 0, forgotten: -Infinity }
      if (second <= forgotten || second <= part.forgotten) return false
      if (seconds.get(second)?.get(key)?.has(id)) return false
      if (second > present && !hasRoomAhead(present)) return false
      if (part.size >= ofKey) {
        const first = oldestOf(key)
        if (first >= second) return false
        forgetOf(key, first)
        part.forgotten = first
      }
      if (size >= capacity) {
        const first = Math.min(...seconds.keys())
        if (first >= Math.min(second, present)) return false
        forget(first)
        forgotten = first
      }

      const keys = seconds.get(second) ?? new Map<string, Set<string>>()
      seconds.set(second, keys.set(key, (keys.get(key) ?? new Set()).add(id)))
      counts.set(second, (counts.get(second) ?? 0) + 1)
      part.size++
      parts.set(key, part)
      size++
      return true
    },
    size: () => size,
  }
}
