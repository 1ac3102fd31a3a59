import { type Clock, install } from '@sinonjs/fake-timers'
import { createClock } from '../../src/clock.ts'

let faked: Clock | undefined

/**
 * Moves the clock of the process into the future and stops it there; timers keep running. A test that uses this needs a
 * server of its own, because its caches become fresh again after `backToPresent`.
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
 * A clock for a server in this process. The normal one would notice the change, and return to the present at the next
 * comparison with Postgres, every minute.
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
 * Bounds timers. Embedded Postgres sets them for moments of the wall clock: those set in the future are, back in the
 * present, beyond the range of Node's timers, which then fire after a millisecond, again and again.
 */
function boundTimers(): void {
  if (globalThis.setTimeout !== arm) return
  const bounded = (work: () => void, delay = 0, ...rest: []) =>
    arm(work, Math.min(delay, longest), ...rest)
  Object.defineProperties(bounded, Object.getOwnPropertyDescriptors(arm))
  globalThis.setTimeout = bounded as typeof arm
}
