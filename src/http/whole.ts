import type { IncomingMessage } from 'node:http'

/**
 * Waits until a request has arrived with its whole body, or with more than anybody would take. The body is put back: it
 * is then read as if it had just arrived.
 * @param most bytes
 * @param then called when it has
 * @param gone called when its sender has gone before that
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
    // To read on at the end would be taken for having read all of it.
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
