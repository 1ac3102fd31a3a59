/** A process that stood still has lost at most one of these of its patience. */
const parts = 4

/**
 * What an answer is worth waiting for. A process that stood still (no processor, a long turn of the event loop) finds
 * its timer due before it has looked at its sockets: an answer that came in time lies there unread, or the question was
 * not even sent. So patience is counted in parts, of which one that lasts longer is one still, and the sockets are
 * looked at once more before the other side is blamed.
 * @param patience milliseconds from the call on
 * @param late what is thrown when there is none by then
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
