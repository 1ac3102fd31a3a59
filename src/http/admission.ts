import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * How many requests one process works on at a time. More would only wait for each other: who is told to come back is
 * served sooner than who waits in a queue that grows.
 */
export interface Admission {
  /** Whether a request is taken; it then counts until it was answered. */
  takes(request: IncomingMessage, response: ServerResponse): boolean
}

/**
 * Answered whatever the others do: probes, so that a busy process is not taken for a dead one, and the documents that
 * verifiers fetch, which are in memory.
 */
const always = /^[^?]*\/(healthz|readyz|jwks|\.well-known\/[\w-]+)(\?|$)/

/** Answers that go on for minutes and work on nothing meanwhile; each kind has a bound of its own. */
const waiting = /^[^?]*\/(revocations\/stream|ssf\/poll\/[^/?]+)(\?|$)/

/** @param most requests at a time, those that are still arriving not counted: a slow sender must keep nobody out */
export function createAdmission(most: number): Admission {
  let atWork = 0

  function enter(response: ServerResponse): void {
    if (response.closed) return
    atWork++
    response.once('close', () => {
      atWork--
    })
  }

  return {
    takes(request, response) {
      if (always.test(request.url ?? '')) return true
      if (atWork >= most) return false
      if (waiting.test(request.url ?? '')) return true
      const hasBody =
        request.headers['transfer-encoding'] !== undefined ||
        Number(request.headers['content-length'] ?? 0) > 0
      if (hasBody) request.once('end', () => enter(response))
      else enter(response)
      return true
    },
  }
}
