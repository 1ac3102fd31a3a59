import { connect, createServer, type Socket } from 'node:net'

/** One connection through a proxy. What a relay does not pass on is gone. */
export interface Link {
  toServer(bytes: Buffer): void
  toClient(bytes: Buffer): void
  /** Closes both halves at once: the server sees what a killed client leaves behind. */
  cut(): void
}

/** Handles the bytes of one connection, in order. */
export interface Relay {
  fromClient(bytes: Buffer): void
  fromServer(bytes: Buffer): void
  /** Called when either half closes; both are then closed. */
  closed?(): void
}

/** A listener on 127.0.0.1 in front of another. */
export interface TcpProxy {
  readonly port: number
  /** Cuts every connection and takes no further one. */
  stop(): Promise<void>
}

/**
 * Stands between clients and a port of 127.0.0.1.
 *
 * @param relay called once per connection
 */
export async function startTcpProxy(
  target: number,
  relay: (link: Link) => Relay,
): Promise<TcpProxy> {
  const open = new Set<Link>()

  function accept(client: Socket): void {
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true })
    client.setNoDelay(true)
    const link: Link = {
      toServer: (bytes) => void server.write(bytes),
      toClient: (bytes) => void client.write(bytes),
      cut() {
        client.destroy()
        server.destroy()
      },
    }
    const { fromClient, fromServer, closed } = relay(link)
    const over = (): void => {
      if (open.delete(link)) closed?.()
    }
    open.add(link)
    client.on('data', fromClient)
    server.on('data', fromServer)
    // 'close' follows every error; what the server said last still reaches the client.
    client.on('error', () => undefined)
    server.on('error', () => undefined)
    client.on('close', () => {
      over()
      server.destroy()
    })
    server.on('close', () => {
      over()
      client.destroySoon()
    })
  }

  const listener = createServer(accept)
  const listening = Promise.withResolvers<void>()
  listener.once('error', listening.reject)
  listener.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  return {
    port: address.port,
    async stop() {
      const closed = Promise.withResolvers<void>()
      listener.close(() => closed.resolve())
      for (const link of open) link.cut()
      await closed.promise
    },
  }
}
