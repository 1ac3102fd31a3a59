/**
 * Remembers proofs, so that none counts twice. Its size is bounded: where it is full, the oldest second is forgotten and
 * whatever was made then or before is refused from now on. Under a flood the window shrinks; no replay gets through.
 */
export interface ReplayMemory {
  /**
   * @param id of the proof
   * @param issuedAt its `iat`, in seconds
   * @param oldest proofs made up to then are refused anyway, and forgotten
   */
  isFirst(id: string, issuedAt: number, oldest: number): boolean
  size(): number
}

export function createReplayMemory(capacity: number): ReplayMemory {
  /** Second of `iat` → ids. */
  const seconds = new Map<number, Set<string>>()
  let size = 0
  /** Nothing of this second or before counts any more. */
  let forgotten = -Infinity

  function forget(second: number): void {
    size -= seconds.get(second)?.size ?? 0
    seconds.delete(second)
  }

  return {
    isFirst(id, issuedAt, oldest) {
      const second = Math.floor(issuedAt)
      for (const each of seconds.keys()) if (each < Math.floor(oldest)) forget(each)
      if (second <= forgotten) return false
      const ids = seconds.get(second) ?? new Set()
      if (ids.has(id)) return false
      seconds.set(second, ids.add(id))
      size++
      while (size > capacity) {
        forgotten = Math.min(...seconds.keys())
        forget(forgotten)
      }
      return second > forgotten
    },
    size: () => size,
  }
}
