/** The number of parts of the timeout: a stall of the process uses up at most one. */
const parts = 4

/**
 * Waits for an answer, with a timeout. After a stall (no CPU, a long turn of the event loop) timers fire before sockets
 * are read: an answer that arrived in time may still be unread, or the request not even sent. So the timeout is counted
 * in parts, of which a stall uses up only one, and the sockets are read once more before the other side is blamed.
 * @param patience milliseconds from the call on
 * @param late makes the error that is thrown on timeout
 */
export async function inTime<T>(
  answer: Promise<T>,
  patience: number,
  late: () => Error = () => new Error('no answer in time'),
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  let left = parts
  const waitOn = (): NodeJS.Timeout =>
    setTimeout(() => {
      left--
      if (left > 0) timer = waitOn()
      else setImmediate(() => reject(late()))
    }, patience / parts)
  let timer = waitOn()
  try {
    return await Promise.race([answer, over])
  } finally {
    clearTimeout(timer)
  }
}
