/**
 * How many requests this process may work on at a time. The number is measured, not configured. Under overload it
 * shrinks until the wait is short, as long as that costs no throughput; it stays between `fewest` and `MAX_REQUESTS`.
 *
 * More concurrent requests make each one dearer, by up to a half: their data falls out of the processor's caches, and
 * garbage collection has more live objects.
 */
export interface Capacity {
  /** @param begins whether a request only begins a flow of several requests: flows already begun go first */
  isFull(begins: boolean): boolean
  /** Takes a place, even when full. @returns frees it; only the first call counts */
  take(begins: boolean): Leave
}

/** @param isAnswered whether to count the time as that of an answer */
export type Leave = (as?: { isAnswered: boolean }) => void

/** Target wait in milliseconds: of the second that a caller is willing to wait, half is left for the network. */
const bearable = 500

/** Target wait in milliseconds when most requests are refused: a longer wait would not let in more. */
const short = 25

/** More than the connections in the pool (10), so that Postgres always has work. */
const fewest = 16

/** Milliseconds of one measurement. */
const look = 250

/**
 * Measurements in a row that show lower throughput before a reduction counts as harmful: one alone is often a garbage
 * collection, or another process on the machine.
 */
const mostBad = 3

/** A reduction by less than a fifth is not worth it: its effect could not be told from noise. */
const slight = 0.8

/** Milliseconds without a further reduction after one that cost throughput, while all places stay taken. */
const keptFor = 15_000

/** @param most upper bound of places */
export function createCapacity(most: number, now = () => performance.now()): Capacity {
  const least = Math.min(fewest, most)
  let places = most
  let taken = 0
  let beginning = 0
  /** Start of the measurement. In the future when requests begun under the old number are to be answered first. */
  let since = now()
  let wasFull = false
  let answered = 0
  let waited = 0
  let refused = 0
  /** Whether the previous measurement had the same number of places, all taken, so that the two can be compared. */
  let isSteady = false
  /** The last reduction, while it may still be undone: places and throughput before it. */
  let before: { places: number; rate: number; bad: number } | undefined
  /** The highest throughput measured with the present number of places, all taken. */
  let best = 0
  let keptUntil = 0

  function decide(time: number): void {
    if (time - since < look || (wasFull && answered === 0)) return
    const pause = wasFull ? fit(time) : grow()
    isSteady = wasFull
    since = time + pause
    wasFull = false
    answered = waited = refused = 0
  }

  function change(to: number): void {
    if (to === places) return
    places = to
    best = 0
  }

  function grow(): number {
    change(Math.min(most, places * 2))
    before = undefined
    // What the last flood was like says nothing of the next.
    keptUntil = 0
    return 0
  }

  /**
   * By Little's law half the places halve the wait in a queue, at the same throughput. If instead the stores cause the
   * wait, for each request alone, half the places halve the throughput; then the reduction is undone.
   * @returns milliseconds until the effect can be measured
   */
  function fit(time: number): number {
    const rate = answered / (time - since)
    const wait = waited / answered
    if (isSteady) best = Math.max(best, rate)
    if (before && rate < (before.rate * (1 + places / before.places)) / 2) {
      if (++before.bad < mostBad) return 0
      change(before.places)
      before = undefined
      keptUntil = time + keptFor
      return 0
    }
    before = undefined
    const by = Math.max(0.25, Math.min(2, (refused > answered ? short : bearable) / wait))
    if (by < 1 && (by > slight || !isSteady || time < keptUntil)) return 0
    const fits = Math.max(least, Math.min(most, places * by))
    if (fits < places) before = { places, rate: best, bad: 0 }
    change(fits)
    return by < 1 ? Math.min(wait, bearable) : 0
  }

  /**
   * An eighth of the places is reserved for requests that begin a flow: a flood of one kind does not keep out the
   * other.
   */
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
