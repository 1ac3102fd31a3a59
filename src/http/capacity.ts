/**
 * How many requests may be at work in this process. It is found out, not set: as many as are answered in a bearable time,
 * at least a few, at most `MAX_REQUESTS`. By Little's law that is what keeps the wait short whatever is slow.
 */
export interface Capacity {
  /** @param begins whether a request only begins what takes more of them: what others have begun goes first */
  isFull(begins: boolean): boolean
  /** Takes a place, also when it is full. @returns gives it back; the first call counts */
  take(begins: boolean): Leave
}

/** @param isAnswered whether it says how long an answer takes */
export type Leave = (as?: { isAnswered: boolean }) => void

/** Milliseconds: a caller who waits for a second has as much left for the way there and back. */
const bearable = 500

/**
 * Several for each connection of the pool (10): also where stores are far, and an answer takes most of a second though
 * nobody waits, a hundred in a second are served.
 */
const fewest = 64

/** @param most there are never more places */
export function createCapacity(most: number, now = () => performance.now()): Capacity {
  const least = Math.min(fewest, most)
  let places = most
  let taken = 0
  let beginning = 0
  let since = now()
  let wasFull = false
  let answered = 0
  let waited = 0

  /** What was answered since the last look says how many it may be: half or twice as many at a time. */
  function look(time: number): void {
    if (time - since < bearable) return
    const fits = answered > 0 ? bearable / (waited / answered) : 0
    const by = wasFull ? Math.max(0.5, Math.min(2, fits)) : 2
    places = Math.max(least, Math.min(most, places * by))
    since = time
    wasFull = false
    answered = waited = 0
  }

  /** An eighth is kept for what begins something: a flood of one kind does not keep out the other. */
  function room(begins: boolean): number {
    const kept = Math.max(0, places / 8 - beginning)
    if (!begins) return places - kept
    return kept > 0 ? places : places * 0.75
  }

  return {
    isFull(begins) {
      const is = taken >= room(begins)
      if (is) wasFull = true
      return is
    },
    take(begins) {
      const began = now()
      look(began)
      taken++
      if (begins) beginning++
      let isTaken = true
      return ({ isAnswered } = { isAnswered: true }) => {
        if (!isTaken) return
        isTaken = false
        taken--
        if (begins) beginning--
        if (!isAnswered) return
        answered++
        waited += now() - began
      }
    },
  }
}
