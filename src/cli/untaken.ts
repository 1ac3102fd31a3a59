import cluster, { type Worker } from 'node:cluster'

/** What the runtime says to a worker when it hands a connection over (`act`, `seq`), and what comes back (`ack`). */
interface Note {
  act?: string
  seq?: number
  ack?: number
}

type Send = (message: Note, connection?: { close(): void }, ...rest: unknown[]) => boolean

const listening = new WeakSet<Worker>()

/**
 * Has another worker serve what one was given and had not taken when it died: the runtime waits for its answer for ever
 * then, and so does the caller. A worker says that it takes a connection before it reads from it, and all that it said
 * is here when its channel has closed: nothing is served twice.
 */
export function serveUntaken(worker: Worker): void {
  const { process } = worker
  const untaken = new Map<number, { close(): void }>()
  const send = process.send.bind(process) as Send
  const noting: Send = (message, connection, ...rest) => {
    if (message.act === 'newconn' && message.seq !== undefined && connection)
      untaken.set(message.seq, connection)
    return send(message, connection, ...rest)
  }
  process.send = noting as typeof process.send
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
    const others = Object.values(cluster.workers ?? {}).some((each) => each && listening.has(each))
    for (const [ack, connection] of untaken) {
      // As if it had said so itself while it closed its server.
      if (others)
        process.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: false }, undefined)
      else connection.close()
    }
  }
  process.once('close', () => setImmediate(giveOn))
}
