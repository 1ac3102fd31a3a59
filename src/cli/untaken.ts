import cluster, { type Worker } from 'node:cluster'

/** What the runtime says to a worker when it hands a connection over (`act`, `seq`), and what comes back (`ack`). */
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
/** How often each was offered, by worker, and since when. */
const offers = new WeakMap<Connection, { began: number; times: WeakMap<Worker, number> }>()
/** How often each is asked: who had no room the first time may have some. */
const rounds = 2
/** Milliseconds between two looks whether another is free, and in all: one of them may hang. */
const pause = 1
const patience = 2000

/**
 * What the runtime leaves undone with a connection that a worker was given and did not take.
 *
 * | the worker                      | by itself                            | instead                                |
 * |---------------------------------|--------------------------------------|----------------------------------------|
 * | died                            | its caller waits for ever            | another takes it, or it is closed      |
 * | has no room, others are busy    | it is offered to it again and again  | it waits for the others, two seconds   |
 * | has no room, as all             | it is offered to one after the other | it is closed when all were asked twice |
 *
 * A worker says that it takes a connection before it reads from it, and all that it said is here when its channel has
 * closed: nothing is served twice.
 * @param closed hears of each that is closed for want of room
 */
export function serveUntaken(worker: Worker, closed: () => void): void {
  const { process } = worker
  const untaken = new Map<number, Connection>()
  /** As if the worker had said so. */
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
          // Whoever has it closes it.
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
    // The runtime postpones this until all is taken; before it, the next connections would be given to who is dead.
    if (!isOut) process.emit('disconnect')
    const isLeft = others().length > 0
    for (const [seq, connection] of untaken) {
      if (isLeft) reply(seq, false)
      else connection.close()
    }
  }
  process.once('close', () => setImmediate(giveOn))
}
