import { type Clock, install } from '@sinonjs/fake-timers'
import { createClock } from '../../src/clock.ts'

let faked: Clock | undefined

/**
 * Puts the whole process into the future; timers run on as they are. Time stands still until the next call. Stories
 * that travel need a server of their own, because what it cached is fresh again after `backToPresent`.
 * @param seconds from now
 */
export function travel(seconds: number): void {
  boundTimers()
  faked ??= install({ now: Date.now(), toFake: ['Date'] })
  faked.setSystemTime(Date.now() + seconds * 1000)
}

export function backToPresent(): void {
  faked?.uninstall()
  faked = undefined
}

/**
 * For a server in this process, which would notice that somebody else has set the clock, and would go back to the
 * present with the next look at that of Postgres, which comes every minute.
 */
export function travellingClock() {
  const clock = createClock({ now: () => Date.now(), monotonic: () => Date.now() })
  const { follow } = clock
  clock.follow = (databaseTime, roundTrip) => {
    if (faked === undefined) follow(databaseTime, roundTrip)
  }
  return clock
}

const longest = 2 ** 31 - 1
const arm = globalThis.setTimeout

/**
 * Postgres in this process arms its timers for moments of the wall clock: what was armed in the future is, back in the
 * present, further away than a timer of Node can be, which fires after a millisecond instead, again and again.
 */
function boundTimers(): void {
  if (globalThis.setTimeout !== arm) return
  const bounded = (work: () => void, delay = 0, ...rest: []) =>
    arm(work, Math.min(delay, longest), ...rest)
  Object.defineProperties(bounded, Object.getOwnPropertyDescriptors(arm))
  globalThis.setTimeout = bounded as typeof arm
}
