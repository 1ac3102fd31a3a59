import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * How many requests one process works on at a time. More would only wait for each other: who is told to come back is
 * served sooner than who waits in a queue that grows.
 */
export interface Admission {
  /** Whether a request is taken, which leads to a place; it then counts until it was answered. */
  takes(request: IncomingMessage, response: ServerResponse, place: Place): boolean
}

/** Where an address leads. */
export interface Place {
  tenant: string
  /** Below its issuer. */
  url: string
  /** Whether the issuer is in memory; whether there is another has to be asked of Postgres first. */
  isKnown: boolean
}

/**
 * Answered whatever the others do: probes, so that a busy process is not taken for a dead one, and the documents that
 * verifiers fetch, which are in memory.
 */
const always =
  /^\/(healthz|readyz|jwks|\.well-known\/(openid-configuration|oauth-authorization-server|ssf-configuration))(\?|$)/

/** What an answer emits when it works on nothing from now on, though it goes on for minutes: it has a bound of its own. */
export const waits = 'keyturn.waits'

const reads = new Set(['GET', 'HEAD'])
/** What these ask for is in their body: nothing is worked on before it is there. */
const sends = new Set(['POST', 'PUT', 'PATCH'])

/** @param most requests at a time, those that are still arriving not counted: a slow sender must keep nobody out */
export function createAdmission(most: number): Admission {
  let atWork = 0

  function enter(response: ServerResponse): void {
    if (response.closed) return
    atWork++
    let isAtWork = true
    const leave = () => {
      if (isAtWork) atWork--
      isAtWork = false
    }
    response.once('close', leave).once(waits, leave)
  }

  return {
    takes(request, response, { url, isKnown }) {
      const { method = '', headers } = request
      if (isKnown && reads.has(method) && always.test(url)) return true
      if (atWork >= most) return false
      const isArriving =
        sends.has(method) &&
        (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
      if (isKnown && isArriving) request.once('end', () => enter(response))
      else enter(response)
      return true
    },
  }
}
