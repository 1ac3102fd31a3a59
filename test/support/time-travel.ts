import { type Clock, install } from '@sinonjs/fake-timers'

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
