import type { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'

/** Both sockets of a connection have it, and no other that is open. */
const placeOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

/**
 * Connections over which TLS is still being agreed upon: HTTP does not know of them.
 * @returns closes them
 */
export function followHandshakes(server: Server): () => void {
  const open = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    const place = placeOf(socket)
    open.set(place, socket)
    socket.once('close', () => {
      if (open.get(place) === socket) open.delete(place)
    })
  })
  server.on('secureConnection', (socket: TLSSocket) => void open.delete(placeOf(socket)))
  return () => {
    for (const socket of open.values()) socket.destroy()
  }
}
