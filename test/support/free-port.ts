import { createServer } from 'node:net'

/**
 * A TCP port of 127.0.0.1 that was free a moment ago: the kernel picks it for a listener that is
 * closed again. Nothing reserves it, so bind it at once.
 */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => {
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('the probe listener has no port'))
    })
  })
  return promise
}
