import { type Clock, install } from '@sinonjs/fake-timers'
import { createClock } from '../../src/clock.ts'

let faked: Clock | undefined

/**
 * Puts the whole process into the future; timers run on as they are. Time stands still until the next call. Stories
 * that travel need a server of their own, because what it cached is fresh again after `backToPresent`.
 * @param seconds from now
 */
export function travel(seconds: number): void {
  faked ??= install({ now: Date.now(), toFake: ['Date'] })
  faked.setSystemTime(Date.now() + seconds * 1000)
}

export function backToPresent(): void {
  faked?.uninstall()
  faked = undefined
}

/** For a server in this process, which would notice that somebody else has set the clock. */
export function travellingClock() {
  return createClock({ now: () => Date.now(), monotonic: () => Date.now() })
}
