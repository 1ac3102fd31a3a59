/** Milliseconds. */
const pause = 250

/**
 * Ends a process that has done its work, whatever a library still waits for: an export of spans that no collector
 * answers is tried again for seconds, and nothing stops that. The exit code is what it is by then.
 */
export function leaveSoon(): void {
  // It keeps nobody waiting who has nothing left to wait for.
  setTimeout(() => process.exit(), pause).unref()
}
