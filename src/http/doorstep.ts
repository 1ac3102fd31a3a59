import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type SoleRequest, soleRequest } from './sole-request.ts'

/**
 * Refuses what comes at connections that were refused something already, before `node:http` makes a request and an answer
 * of it, which costs as much again as reading and writing.
 *
 * | a piece comes while                                   | it is                                      |
 * |-------------------------------------------------------|--------------------------------------------|
 * | all before it is known to be answered, and it is one  | refused here, where there is no room for it |
 * | whole request                                         |                                            |
 * | anything else is true                                 | read by `node:http`, as it always was      |
 *
 * What was before is known when `node:http` read out of the last piece the very request that we did, and nothing else,
 * and has answered it: no octet is left over in its parser, and no answer is due.
 */
export interface Doorstep {
  /** Has a connection looked at from now on. */
  watch(socket: Socket): void
  /** Is told of each request that `node:http` has read, before anything is changed about it. */
  arrived(request: IncomingMessage, response: ServerResponse): void
}

/** What was read out of a piece that was given on. */
interface Arrival {
  method: string | undefined
  url: string | undefined
  request: IncomingMessage
  response: ServerResponse
}

/** @param refusalOf the answer to one that is refused, head and body, as latin1; undefined for one that is not */
export function createDoorstep(refusalOf: (request: SoleRequest) => string | undefined): Doorstep {
  /** What was read out of the piece that is being given on. */
  const watched = new WeakMap<Socket, { arrivals?: Arrival[] | undefined }>()

  return {
    watch(socket) {
      if (watched.has(socket)) return
      const reading: { arrivals?: Arrival[] | undefined } = {}
      watched.set(socket, reading)
      // The runtime reads a connection past its stream, until somebody listens to that.
      const listen = () => undefined
      socket.on('data', listen).off('data', listen)
      const { push } = socket
      let isClear = false
      let pieces = 0

      function giveOn(piece: Buffer, sole: SoleRequest | undefined): boolean {
        isClear = false
        const count = ++pieces
        const arrivals: Arrival[] = []
        reading.arrivals = arrivals
        const result = push.call(socket, piece)
        reading.arrivals = undefined
        const [arrival] = arrivals
        if (!sole || !arrival || arrivals.length > 1 || !isSame(arrival, sole)) return result
        arrival.response.once('close', () => {
          isClear = pieces === count
        })
        return result
      }

      socket.push = (piece: Buffer | null, encoding) => {
        if (piece === null) return push.call(socket, piece, encoding)
        const sole = soleRequest(piece)
        // A caller who does not read its answers gets no more of them here.
        if (!sole || !isClear || socket.writableLength > 0) return giveOn(piece, sole)
        const answer = refusalOf(sole)
        if (answer === undefined) return giveOn(piece, sole)
        socket.write(answer, 'latin1')
        return true
      }
    },
    arrived(request, response) {
      const { method, url } = request
      watched.get(request.socket)?.arrivals?.push({ method, url, request, response })
    },
  }
}

const isSame = ({ method, url, request }: Arrival, sole: SoleRequest) =>
  request.complete &&
  method === sole.method &&
  url === sole.url &&
  request.rawHeaders.length === 2 * sole.fields
