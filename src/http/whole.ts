import type { IncomingMessage } from 'node:http'

/**
 * Waits until a request's whole body has arrived, or more than the limit. The body is put back, and is then read as if
 * it had just arrived.
 * @param most bytes
 * @param then called when the body is there
 * @param gone called when the sender leaves before that
 */
export function onceWhole(
  request: IncomingMessage,
  most: number,
  then: () => void,
  gone: () => void,
): void {
  const chunks: Buffer[] = []
  let length = 0
  function leave(): void {
    request.off('readable', look).off('close', left)
  }
  function left(): void {
    leave()
    gone()
  }
  function look(): void {
    // Reading beyond the end would mark the stream as consumed.
    while (!request.complete) {
      const chunk = request.read() as Buffer | null
      if (chunk === null) break
      chunks.push(chunk)
      length += chunk.length
    }
    if (!request.complete && length <= most) return
    leave()
    if (length > 0) request.unshift(Buffer.concat(chunks))
    then()
  }
  request.on('readable', look).once('close', left)
}
