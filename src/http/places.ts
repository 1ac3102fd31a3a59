/**
 * How many requests may be at work in this process. It is found out, not set: as many as are answered in a bearable time,
 * at least a few, at most `MAX_REQUESTS`. By Little's law that is what keeps the wait short whatever is slow.
 */
export interface Places {
  /** @param begins whether a request only begins what takes more of them: what others have begun goes first */
  areTaken(begins: boolean): boolean
  /** Takes one, also when all are taken. @returns gives it back; the first call counts */
  take(begins: boolean): () => void
}

/** Milliseconds: half of what follows is left for the way there and back, even of a caller who waits for a second. */
const bearable = 500

/** One is answered at a time at least, and one connection of the pool must not stand idle. */
const fewest = 16

/** @param most there are never more */
export function createPlaces(most: number, now = () => performance.now()): Places {
  const least = Math.min(fewest, most)
  let places = most
  let taken = 0
  let beginning = 0
  let since = now()
  let wereTaken = false
  let answered = 0
  let waited = 0

  /** What was answered since the last look says how many it may be: half or twice as many at a time. */
  function look(time: number): void {
    if (time - since < bearable) return
    const fits = answered > 0 ? bearable / (waited / answered) : 0
    const by = wereTaken ? Math.max(0.5, Math.min(2, fits)) : 2
    places = Math.max(least, Math.min(most, places * by))
    since = time
    wereTaken = false
    answered = waited = 0
  }

  return {
    areTaken(begins) {
      // An eighth is always theirs: a flood of one kind does not keep out the other.
      const are = begins ? taken >= places * 0.75 && beginning >= places / 8 : taken >= places
      if (are) wereTaken = true
      return are
    },
    take(begins) {
      const began = now()
      look(began)
      taken++
      if (begins) beginning++
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        taken--
        if (begins) beginning--
        answered++
        waited += now() - began
      }
    },
  }
}
