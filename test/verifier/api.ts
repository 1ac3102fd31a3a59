/**
 * An API in its own process that verifies offline: one route polls the feed, one streams it. `node test/verifier/api.ts
 * '<settings as JSON>'` prints its address.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createVerifier, type Verifier } from '@keyturn/verifier'
import { protectExpress } from '@keyturn/verifier/express'

export interface ApiSettings {
  issuer: string
  audience: string
  clientId: string
  clientSecret: string
  /** The address that requests go to, which may be another node than the issuer. */
  node: string
}

const { issuer, node, audience, clientId, clientSecret } = JSON.parse(
  process.argv[2] ?? '',
) as ApiSettings

const common = { clientId, clientSecret, whenStale: 'refuse' } as const
const feeds = {
  '/poll': { ...common, mode: 'poll', maxStaleness: 10 },
  '/stream': { ...common, mode: 'stream', maxStaleness: 20 },
} as const

const verifiers = new Map<string, Verifier>(
  Object.entries(feeds).map(([path, feed]) => [
    path,
    createVerifier({
      issuer,
      audience,
      feed,
      jwks: { whenUnreachable: 'accept' },
      fetch: (url, init) => fetch(url.replace(issuer, node), init),
      onFault: (error) => console.error(error.message),
    }),
  ]),
)
const routes = new Map([...verifiers].map(([path, each]) => [path, protectExpress(each)]))

const server = createServer((request, response) => {
  if (request.url === '/status') {
    const status = Object.fromEntries([...verifiers].map(([path, each]) => [path, each.status()]))
    response.end(JSON.stringify(status))
    return
  }
  void routes.get(request.url ?? '')?.(request, response, () => response.end('let in'))
})
await Promise.all([...verifiers.values()].map((each) => each.ready()))
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
