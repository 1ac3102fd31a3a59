/** Parts that the patience is split into: a process that was stalled loses one of them at most. */
const parts = 4

/**
 * An answer, if it comes in time. After a stall (no CPU, a long turn of the event loop) timers fire before sockets are
 * read: an answer that arrived in time may still be unread, or the question not even sent. So the patience is counted in
 * parts, a stall uses up only one of them, and the sockets are read once more before the other side is blamed.
 * @param patience milliseconds from the call on
 * @param late what is thrown when there is no answer by then
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
