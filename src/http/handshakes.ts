import type { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'

/** The key of a connection: its raw socket and its TLS socket share it, and no other open connection has it. */
const placeOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

/**
 * Follows connections whose TLS handshake is not finished: the HTTP server does not know them.
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
