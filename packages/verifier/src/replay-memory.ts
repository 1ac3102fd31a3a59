/** What is remembered of a proof. */
export interface Proof {
  /** Thumbprint of the key that made it. */
  key: string
  /** Its `jti`, or a hash of that. */
  id: string
  /** Its `iat`, in seconds. */
  issuedAt: number
}

/**
 * Remembers DPoP proofs to refuse replays. Its size is bounded, in total and per key. When it is full it forgets the
 * oldest proofs, and from then on refuses all proofs as old as those; so no replay gets through.
 *
 * | what is full                        | forgotten, and refused from now on                 | if that frees nothing |
 * |-------------------------------------|----------------------------------------------------|-----------------------|
 * | the share of a key                  | this key's oldest second, and all before it        | the proof is refused  |
 * | the half for proofs dated after now | nothing                                            | the proof is refused  |
 * | all of it                           | the oldest second of all keys, and before; not now | the proof is refused  |
 */
export interface ReplayMemory {
  /**
   * Whether the proof is new; remembers it.
   * @param now in seconds
   * @param oldest proofs issued before this second are refused elsewhere, so they are forgotten
   */
  isFirst(proof: Proof, at: { now: number; oldest: number }): boolean
  /** Number of remembered proofs. */
  size(): number
}

interface Part {
  size: number
  /** Proofs of this key from this second or before are refused. */
  forgotten: number
}

/**
 * @param capacity most proofs
 * @param ofKey most proofs of one key
 */
export function createReplayMemory(
  capacity: number,
  ofKey = Math.min(1000, Math.ceil(capacity / 10)),
): ReplayMemory {
  /** Second of `iat` → key → ids. */
  const seconds = new Map<number, Map<string, Set<string>>>()
  /** Second of `iat` → ids of all keys. */
  const counts = new Map<number, number>()
  /** Only keys with remembered proofs have a part. */
  const parts = new Map<string, Part>()
  let size = 0
  /** Proofs of any key from this second or before are refused. */
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
    // Its `forgotten` is obsolete: the bound for all keys, or the age limit, is later.
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
