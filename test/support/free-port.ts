import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/**
 * Ports that no system assigns by itself, neither to listeners on port 0 nor to outgoing connections (those begin at
 * 32768 on Linux, at 49152 elsewhere), in blocks; each block belongs to one process at a time.
 */
const [first, blocks, size] = [20_000, 150, 80] as const

/** @throws Error when the port is in use */
function listenAt(port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>()
  const server = createServer()
  server.once('error', reject)
  server.listen(port, '127.0.0.1', () => resolve(server))
  return promise
}

const isTaken = () => undefined

/** Reserves a block for the life of this process, by listening on its first port. @returns that port */
async function takeBlock(): Promise<number> {
  const start = randomInt(blocks)
  for (let i = 0; i < blocks; i++) {
    const port = first + ((start + i) % blocks) * size
    const holder = await listenAt(port).catch(isTaken)
    if (!holder) continue
    holder.unref()
    return port
  }
  throw new Error(`other processes have all ports from ${first} to ${first + blocks * size}`)
}

let block: Promise<number> | undefined
let given = 0

/**
 * A free TCP port of 127.0.0.1, which no other test run gets, however late it is bound; in this process it is reused
 * only after all others of its block.
 */
export async function freePort(): Promise<number> {
  block ??= takeBlock()
  const base = await block
  for (let i = 1; i < size; i++) {
    const port = base + 1 + (given++ % (size - 1))
    const probe = await listenAt(port).catch(isTaken)
    if (!probe) continue
    await new Promise((resolve) => probe.close(resolve))
    return port
  }
  throw new Error(`all ports from ${base} to ${base + size} are taken`)
}
