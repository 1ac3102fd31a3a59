/**
 * What an answer is worth waiting for. A process that stood still for longer than that (no processor, a long turn of
 * the event loop) finds its timer due before it has looked at its sockets: an answer that came in time lies there
 * unread. So they are looked at once more before the other side is blamed.
 * @param patience milliseconds from the call on
 * @param late what is thrown when there is none by then
 */
export async function inTime<T>(
  answer: Promise<T>,
  patience: number,
  late: () => Error = () => new Error('too late'),
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => setImmediate(() => reject(late())), patience)
  try {
    return await Promise.race([answer, over])
  } finally {
    clearTimeout(timer)
  }
}
