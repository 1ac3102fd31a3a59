import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Watches how long this process does not run by itself, which is no matter of what it waits for.
 * @returns ends it, and tells the longest time at once, in milliseconds
 */
export function watchHoldUps(): () => number {
  const delays = monitorEventLoopDelay({ resolution: 10 })
  delays.enable()
  return () => {
    delays.disable()
    return delays.max / 1e6
  }
}
