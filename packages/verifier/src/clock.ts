/** Seconds since the epoch, as claims of tokens count. */
export function now(): number {
  return Date.now() / 1000
}

/** Milliseconds by a clock that never jumps: for ages and pauses. */
export function monotonic(): number {
  return performance.now()
}
