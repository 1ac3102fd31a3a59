import type { IncomingMessage } from 'node:http'

/**
 * Waits until a request is there with its body, which whoever works on it then reads as if it had just come; or until
 * there is more of it than anybody would take. Nothing happens when its sender goes before.
 * @param most bytes
 */
export function onceWhole(request: IncomingMessage, most: number, then: () => void): void {
  const chunks: Buffer[] = []
  let length = 0
  function look(): void {
    // To read on at the end would be taken for having read all of it.
    while (!request.complete) {
      const chunk = request.read() as Buffer | null
      if (chunk === null) break
      chunks.push(chunk)
      length += chunk.length
    }
    if (!request.complete && length <= most) return
    request.off('readable', look)
    if (length > 0) request.unshift(Buffer.concat(chunks))
    then()
  }
  request.on('readable', look)
}
