import cluster, { type Worker } from 'node:cluster'

/** A message of Node's cluster module that hands a connection to a worker (`act`, `seq`), and its reply (`ack`). */
interface Note {
  act?: string
  seq?: number
  ack?: number
}

interface Connection {
  close(): void
}

type Send = (message: Note, connection?: Connection, ...rest: unknown[]) => boolean

const listening = new WeakSet<Worker>()
/** Connection → how often it was offered to each worker, and since when. */
const offers = new WeakMap<Connection, { began: number; times: WeakMap<Worker, number> }>()
/** Most offers per worker: one without room may have some the second time. */
const rounds = 2
/** Milliseconds between two checks for a free worker, and in total: a worker may hang. */
const pause = 1
const patience = 2000

/**
 * Handles connections that a worker was given and did not accept; Node does not.
 *
 * | the worker                   | Node alone                           | instead                                 |
 * |------------------------------|--------------------------------------|-----------------------------------------|
 * | died                         | the caller waits for ever            | another worker gets it, or it is closed |
 * | has no room, others are busy | it is offered to it again and again  | it waits for the others, two seconds    |
 * | has no room, like all others | it is offered to one after the other | it is closed when all were asked twice  |
 *
 * A worker confirms a connection before it reads from it, and its confirmations have arrived when its channel closes:
 * so no request is served twice.
 * @param closed called for each connection that is closed for lack of room
 */
export function serveUntaken(worker: Worker, closed: () => void): void {
  const { process } = worker
  const untaken = new Map<number, Connection>()
  /** Emits a reply in the worker's name. */
  const reply = (ack: number, accepted: boolean) =>
    process.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted }, undefined)

  const others = () =>
    Object.values(cluster.workers ?? {}).filter(
      (each): each is Worker => each !== undefined && each !== worker && listening.has(each),
    )

  const send = process.send.bind(process) as Send
  const offering: Send = (message, connection, ...rest) => {
    const { act, seq } = message
    if (act === 'newconn' && seq !== undefined && connection) {
      const { began, times } = offers.get(connection) ?? {
        began: performance.now(),
        times: new WeakMap<Worker, number>(),
      }
      offers.set(connection, { began, times })
      const asked = times.get(worker) ?? 0
      if (asked >= rounds) {
        const isOver = performance.now() - began > patience
        if (isOver || !others().some((each) => (times.get(each) ?? 0) < rounds)) {
          closed()
          // The new holder closes it.
          setImmediate(reply, seq, true)
        } else setTimeout(reply, pause, seq, false)
        return true
      }
      times.set(worker, asked + 1)
      untaken.set(seq, connection)
    }
    return send(message, connection, ...rest)
  }
  process.send = offering as typeof process.send
  process.on('internalMessage', ({ ack }: Note) => {
    if (ack !== undefined) untaken.delete(ack)
  })
  worker.once('listening', () => listening.add(worker))
  let isOut = false
  worker.once('disconnect', () => {
    isOut = true
  })

  function giveOn(): void {
    listening.delete(worker)
    // Node emits this only after all messages are processed; until then it would give new connections to the dead
    // worker.
    if (!isOut) process.emit('disconnect')
    const isLeft = others().length > 0
    for (const [seq, connection] of untaken) {
      if (isLeft) reply(seq, false)
      else connection.close()
    }
  }
  process.once('close', () => setImmediate(giveOn))
}
