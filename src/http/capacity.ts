/**
 * How many requests may be at work in this process. It is found out, not set: where more come than are answered, as many as
 * keep the wait short, so long as that costs no answers; at least a few, at most `MAX_REQUESTS`.
 *
 * More at work make each dearer, by up to a half: what is theirs leaves the processor's caches, and garbage is collected
 * around it.
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

/** Milliseconds of a wait where most are refused: who waits longer would make room for nobody. */
const short = 25

/** More than there are connections in the pool (10): Postgres has always something to do. */
const fewest = 16

/** Milliseconds that are looked at. */
const look = 250

/** Milliseconds: after fewer places cost answers, so long there are not fewer. */
const keptFor = 10_000

/** @param most there are never more places */
export function createCapacity(most: number, now = () => performance.now()): Capacity {
  const least = Math.min(fewest, most)
  let places = most
  let taken = 0
  let beginning = 0
  /** The time that is looked at begins; later than now where what was begun before is answered first. */
  let since = now()
  let wasFull = false
  let answered = 0
  let waited = 0
  let refused = 0
  /** Whether there were as many places, and all taken, before that time as well: it can be compared. */
  let isSteady = false
  /** As it was before there were fewer places. */
  let before: { places: number; rate: number } | undefined
  let keptUntil = since

  function decide(time: number): void {
    if (time - since < look || (wasFull && answered === 0)) return
    const pause = wasFull ? fit(time) : grow()
    isSteady = wasFull
    since = time + pause
    wasFull = false
    answered = waited = refused = 0
  }

  function grow(): number {
    places = Math.min(most, places * 2)
    before = undefined
    return 0
  }

  /**
   * By Little's law half the places halve the wait of a queue, and answer as much. Where the wait is the stores', for each
   * alone, they answer half as much: then there are as many as before.
   * @returns milliseconds until what comes of it can be seen
   */
  function fit(time: number): number {
    const rate = answered / (time - since)
    const wait = waited / answered
    const tried = before
    before = undefined
    if (tried && rate < (tried.rate * (1 + places / tried.places)) / 2) {
      places = tried.places
      keptUntil = time + keptFor
      return 0
    }
    const by = Math.max(0.25, Math.min(2, (refused > answered ? short : bearable) / wait))
    if (by < 1 && (!isSteady || time < keptUntil)) return 0
    const fits = Math.max(least, Math.min(most, places * by))
    if (fits < places) before = { places, rate }
    places = fits
    return by < 1 ? Math.min(wait, bearable) : 0
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
      if (is) {
        wasFull = true
        if (now() >= since) refused++
      }
      return is
    },
    take(begins) {
      const began = now()
      decide(began)
      taken++
      if (begins) beginning++
      let isTaken = true
      return ({ isAnswered } = { isAnswered: true }) => {
        if (!isTaken) return
        isTaken = false
        taken--
        if (begins) beginning--
        const time = now()
        if (!isAnswered || time < since) return
        answered++
        waited += time - began
      }
    },
  }
}
