import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { eventually } from './eventually.ts'

/** A client that receives CIBA pings (OpenID CIBA Core §10.2). */
export interface PingReceiver {
  /** Its `backchannel_client_notification_endpoint`. */
  readonly uri: string
  /** Received pings, in order. */
  readonly received: readonly Ping[]
  /** Waits for so many pings, and for no more than that. */
  waitForPings(count: number): Promise<readonly Ping[]>
  /** From now on the handler answers, instead of 204. */
  answerWith(handler: ((response: ServerResponse) => void) | undefined): void
  stop(): Promise<void>
}

export interface Ping {
  readonly method: string
  readonly authorization: string | undefined
  readonly type: string | undefined
  readonly body: unknown
}

export async function startPingReceiver(): Promise<PingReceiver> {
  const received: Ping[] = []
  const sockets = new Set<Socket>()
  let handler: ((response: ServerResponse) => void) | undefined
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { authorization, 'content-type': type } = request.headers
      const { method = '' } = request
      received.push({ method, authorization, type, body: JSON.parse(body) as unknown })
      if (handler) handler(response)
      else response.writeHead(204).end()
    })
  })
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    uri: `http://localhost:${(server.address() as AddressInfo).port}/ciba`,
    received,
    async waitForPings(count) {
      await eventually(`${count} pings`, () => received.length >= count)
      if (received.length > count)
        throw new Error(`expected ${count} pings, got ${received.length}`)
      return received
    },
    answerWith(chosen) {
      handler = chosen
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
