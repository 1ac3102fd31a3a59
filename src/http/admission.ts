import type { IncomingMessage, ServerResponse } from 'node:http'
import { createCapacity, type Leave } from './capacity.ts'
import { withoutQuery } from './spelling.ts'
import { createTurns } from './turns.ts'
import { onceWhole } from './whole.ts'

/**
 * Admission control: which requests this process works on, and how many at a time. More would only make each other
 * wait: a client that is refused and retries is served sooner than one in a growing queue.
 *
 * | step         | how                                              | refused when                            |
 * |--------------|--------------------------------------------------|-----------------------------------------|
 * | always taken | by method and path: probes, documents in memory  | never                                   |
 * | looked at    | its header, in the turn in which it is read      | no place is free; before any other work |
 * | held         | until its body is here; takes no place meanwhile | no place is free when the body is here  |
 * | worked on    | in order of arrival, in time slices              | never; skipped when its caller has gone |
 */
export interface Admission {
  /** Whether to refuse a request for this target right away. */
  refuses(request: IncomingMessage, target: Target): boolean
  /** Queues an accepted request. It holds a place until it is answered. */
  take(arrival: Arrival): void
}

/** An accepted request. */
export interface Arrival {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  work(): void
  /** Called instead of `work` when there is no place once the body has arrived. */
  refuse(): void
  /** Called instead of `work` when the sender left before the body had arrived. */
  gone(): void
}

/** Which issuer and path a request is for. */
export interface Target {
  /** Undefined when the path is not below the issuer's. */
  tenant: string | undefined
  /** Path and query below the issuer. */
  url: string
  /** Whether the issuer is in memory. If not, Postgres has to be asked whether it exists. */
  isKnown: boolean
}

/**
 * Always answered, whatever the load: probes, so that a busy process is not taken for a dead one, and the documents
 * that verifiers fetch, which are in memory.
 */
const always =
  /^\/(healthz|readyz|jwks|\.well-known\/(openid-configuration|oauth-authorization-server|ssf-configuration))(\?|$)/

/**
 * Emitted on a response to free its place early: its caller has gone, or it is a long-lived stream, which has a limit
 * of its own.
 */
export const waits = 'keyturn.waits'

const reads = new Set(['GET', 'HEAD'])
/** Methods with a body: work begins only when it has arrived. */
const sends = new Set(['POST', 'PUT', 'PATCH'])

export interface AdmissionOptions {
  /** Most requests at a time, without those that are still arriving: a slow sender must keep nobody out. */
  most: number
  /** Bytes of a body to wait for; a longer one is refused elsewhere. */
  longestBody: number
  /** Paths, below an issuer, of requests that only begin a flow. */
  beginnings: ReadonlySet<string>
}

export function createAdmission({ most, longestBody, beginnings }: AdmissionOptions): Admission {
  const capacity = createCapacity(most)
  const turns = createTurns()

  const isAlwaysTaken = ({ method = '' }: IncomingMessage, { url, isKnown }: Target) =>
    isKnown && reads.has(method) && always.test(url)

  const begins = ({ url }: Target) => beginnings.has(withoutQuery(url))

  /**
   * Takes a place. It is freed when the answer is made, not when it is read: the caller may never read it, or may be
   * waiting for earlier answers on its connection. When the caller leaves, the place is freed only if work has not
   * begun, since work continues without the caller.
   */
  function enter(response: ServerResponse, target: Target): { leave: Leave; begin: () => void } {
    const leave = capacity.take(begins(target))
    const { end } = response
    response.end = ((...rest: Parameters<typeof end>) => {
      leave()
      return end.apply(response, rest)
    }) as typeof end
    // There was no answer, so the time taken is no measure of answers.
    const leaveUnread = () => leave({ isAnswered: false })
    response.once('close', leaveUnread).once(waits, () => leave())
    return { leave, begin: () => response.off('close', leaveUnread) }
  }

  return {
    refuses: (request, target) =>
      !isAlwaysTaken(request, target) && capacity.isFull(begins(target)),
    take({ request, response, target, work, refuse, gone }) {
      if (isAlwaysTaken(request, target)) {
        work()
        return
      }
      const { leave, begin } = enter(response, target)
      turns.add(() => {
        if (response.closed) return
        if (!target.isKnown || request.complete || !hasBody(request)) {
          begin()
          work()
          return
        }
        leave({ isAnswered: false })
        const whole = () => {
          if (capacity.isFull(begins(target))) {
            refuse()
            return
          }
          const entered = enter(response, target)
          turns.add(() => {
            if (response.closed) return
            entered.begin()
            work()
          })
        }
        onceWhole(request, longestBody, whole, gone)
      })
    },
  }
}

function hasBody({ method = '', headers }: IncomingMessage): boolean {
  if (!sends.has(method)) return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
