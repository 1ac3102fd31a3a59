/** Seconds since the epoch, the unit of token claims. */
export function now(): number {
  return Date.now() / 1000
}

/** Milliseconds, monotonic: for ages and pauses. */
export function monotonic(): number {
  return performance.now()
}
