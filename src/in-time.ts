/** The patience is split into so many parts: a process that stood still loses one of them at most. */
const parts = 4

/**
 * An answer, if it comes in time. After a process stood still (no processor, a long turn of the event loop), its timer
 * is due before it has looked at its sockets: an answer that came in time may lie there unread, or the question may not
 * even have been sent. So the patience is counted in parts, each of which counts as one however long it took, and the
 * sockets are read once more before the other side is blamed.
 * @param patience milliseconds from the call on
 * @param late what is thrown when there is no answer by then
 */
export async function inTime<T>(
  answer: Promise<T>,
  patience: number,
  late: () => Error = () => new Error('too late'),
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
