import type { IncomingMessage, ServerResponse } from 'node:http'
import { createCapacity, type Leave } from './capacity.ts'
import { withoutQuery } from './spelling.ts'
import { createTurns } from './turns.ts'
import { onceWhole } from './whole.ts'

/**
 * How many requests one process works on at a time, and which. More would only wait for each other: who is told to come
 * back is served sooner than who waits in a queue that grows.
 *
 * | a request is | by                                                 | and refused when                             |
 * |--------------|----------------------------------------------------|----------------------------------------------|
 * | always taken | method and address: probes, documents in memory    | never                                        |
 * | looked at    | its head, in the turn in which it is read          | there is no room; ahead of everything else   |
 * | held         | nobody, until its body is there or its sender gone | there is no room when it is                  |
 * | worked on    | the order in which they came, in slices            | no more; left alone when its caller has gone |
 */
export interface Admission {
  /** Whether a request, which leads there, is to be refused as it came. */
  refuses(request: IncomingMessage, target: Target): boolean
  /** Has one that is not refused worked on when it is its turn; it counts until it was answered. */
  take(arrival: Arrival): void
}

/** A request that is not refused. */
export interface Arrival {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  work(): void
  /** In place of work. */
  refuse(): void
  /** In place of work, where its sender went before its body was there. */
  gone(): void
}

/** Where an address leads. */
export interface Target {
  /** Undefined where it is not below the path of the issuer. */
  tenant: string | undefined
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

/**
 * What an answer emits when nobody works on it from now on: as its caller has gone meanwhile, or as it goes on for minutes
 * and has a bound of its own.
 */
export const waits = 'keyturn.waits'

const reads = new Set(['GET', 'HEAD'])
/** What these ask for is in their body: nothing is worked on before it is there. */
const sends = new Set(['POST', 'PUT', 'PATCH'])

export interface AdmissionOptions {
  /** Requests at a time, those that are still arriving not counted: a slow sender must keep nobody out. */
  most: number
  /** Bytes of a body that is waited for; a longer one is for others to refuse. */
  longestBody: number
  /** Paths below an issuer of requests that only begin something. */
  beginnings: ReadonlySet<string>
}

export function createAdmission({ most, longestBody, beginnings }: AdmissionOptions): Admission {
  const capacity = createCapacity(most)
  const turns = createTurns()

  const isAlwaysTaken = ({ method = '' }: IncomingMessage, { url, isKnown }: Target) =>
    isKnown && reads.has(method) && always.test(url)

  const begins = ({ url }: Target) => beginnings.has(withoutQuery(url))

  /**
   * It is given back when the answer is made: its caller may never read it, or have others before it that they do not. One
   * who leaves gives it back where nothing was begun: work goes on without them.
   */
  function enter(response: ServerResponse, target: Target): { leave: Leave; begin: () => void } {
    const leave = capacity.take(begins(target))
    const { end } = response
    response.end = ((...rest: Parameters<typeof end>) => {
      leave()
      return end.apply(response, rest)
    }) as typeof end
    // Nobody was answered, and so it says nothing of how long an answer takes.
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
