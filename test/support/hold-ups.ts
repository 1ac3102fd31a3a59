import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Measures how long this process itself is blocked, whatever it waits for.
 * @returns stops it, and returns the longest single delay in milliseconds
 */
export function watchHoldUps(): () => number {
  const delays = monitorEventLoopDelay({ resolution: 10 })
  delays.enable()
  return () => {
    delays.disable()
    return delays.max / 1e6
  }
}
