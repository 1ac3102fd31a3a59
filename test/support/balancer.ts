import { connect, createServer, type Socket } from 'node:net'

/** A load balancer in front of several nodes: each connection goes to a live one. */
export interface Balancer {
  readonly port: number
  /** From now on connections go to these ports, in turn. */
  use(ports: readonly number[]): void
  /** Connections that are open to a port. */
  open(port: number): number
  stop(): Promise<void>
}

export async function startBalancer(port: number): Promise<Balancer> {
  const links = new Map<Socket, number>()
  let up: readonly number[] = []
  let turn = 0
  const listener = createServer((client) => {
    const target = up[turn++ % up.length]
    if (target === undefined) return void client.destroy()
    const node = connect({ host: '127.0.0.1', port: target, noDelay: true })
    links.set(client, target)
    client.pipe(node).pipe(client)
    const end = () => {
      links.delete(client)
      client.destroy()
      node.destroy()
    }
    for (const half of [client, node]) half.on('error', end).on('close', end)
  })
  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve))
  return {
    port,
    use(ports) {
      up = ports
    },
    open: (target) => [...links.values()].filter((each) => each === target).length,
    stop() {
      for (const client of links.keys()) client.destroy()
      return new Promise((resolve) => listener.close(() => resolve()))
    },
  }
}
