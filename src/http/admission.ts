import type { IncomingMessage, ServerResponse } from 'node:http'
import { createPlaces } from './places.ts'
import { createTurns } from './turns.ts'
import { onceWhole } from './whole.ts'

/**
 * How many requests one process works on at a time, and which. More would only wait for each other: who is told to come
 * back is served sooner than who waits in a queue that grows.
 *
 * | a request is | by                                              | and refused when                                 |
 * |--------------|-------------------------------------------------|--------------------------------------------------|
 * | always taken | method and address: probes, documents in memory | never                                            |
 * | looked at    | its head, in the turn in which it is read       | all places are taken; ahead of everything else   |
 * | held         | nobody, until its body is there or its sender gone | all places are taken when it is               |
 * | worked on    | the order in which they came, in slices         | no more; left alone when its caller has gone     |
 */
export interface Admission {
  /** Whether a request, which leads to a place, is to be refused as it came. */
  refuses(request: IncomingMessage, place: Place): boolean
  /** Has one that is not refused worked on when it is its turn; it counts until it was answered. */
  take(arrival: Arrival): void
}

/** A request that is not refused. */
export interface Arrival {
  request: IncomingMessage
  response: ServerResponse
  place: Place
  work(): void
  /** In place of work. */
  refuse(): void
  /** In place of work, where its sender went before its body was there. */
  gone(): void
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

export interface AdmissionOptions {
  /** Requests at a time, those that are still arriving not counted: a slow sender must keep nobody out. */
  most: number
  /** Bytes of a body that is waited for; a longer one is for others to refuse. */
  longestBody: number
  /** Paths below an issuer of requests that only begin something. */
  beginnings: ReadonlySet<string>
}

export function createAdmission({ most, longestBody, beginnings }: AdmissionOptions): Admission {
  const places = createPlaces(most)
  const turns = createTurns()

  const isAlwaysTaken = ({ method = '' }: IncomingMessage, { url, isKnown }: Place) =>
    isKnown && reads.has(method) && always.test(url)

  function begins({ url }: Place): boolean {
    const query = url.indexOf('?')
    return beginnings.has(query < 0 ? url : url.slice(0, query))
  }

  function enter(response: ServerResponse, place: Place): () => void {
    const leave = places.take(begins(place))
    response.once('close', leave).once(waits, leave)
    return leave
  }

  return {
    refuses: (request, place) => !isAlwaysTaken(request, place) && places.areTaken(begins(place)),
    take({ request, response, place, work, refuse, gone }) {
      if (isAlwaysTaken(request, place)) {
        work()
        return
      }
      const leave = enter(response, place)
      turns.add(() => {
        if (response.closed) return
        if (!place.isKnown || request.complete || !hasBody(request)) {
          work()
          return
        }
        leave()
        const whole = () => {
          if (places.areTaken(begins(place))) {
            refuse()
            return
          }
          enter(response, place)
          turns.add(() => response.closed || work())
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
