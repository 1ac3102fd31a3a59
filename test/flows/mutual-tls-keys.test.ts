import { createPublicKey, X509Certificate } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { selfSigned } from '../support/certificates.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish } from '../support/fixtures.ts'
import { bootMutual, type MutualServer } from '../support/mutual.ts'
import { post } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

describe('a self-signed certificate at a jwks_uri (RFC 8705 §2.2.2)', () => {
  let server: MutualServer
  let host: Awaited<ReturnType<typeof startDocumentHost>>
  before(async () => {
    host = await startDocumentHost()
    server = await bootMutual(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
  })
  after(() => {
    backToPresent()
    host?.stop()
    return server?.stop()
  })

  it('is accepted while it is fetched again, even when no more requests may wait', async () => {
    const own = await selfSigned('CN=app')
    const x5c = [new X509Certificate(own.cert).raw.toString('base64')]
    const jwk = { ...createPublicKey(own.cert).export({ format: 'jwk' }), x5c }
    const keys = JSON.stringify({ keys: [jwk] })
    const client = {
      client_id: 'published',
      jwks_uri: host.answer('/keys', (response) => response.end(keys)),
      grant_types: ['client_credentials'],
      scope: 'orders:read',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
    }
    await server.core.clients.declare('default', client)
    const served: number[] = []
    const fields = { grant_type: 'client_credentials', resource: api }
    const ask = async () =>
      served.push((await post(server.showing(own), '/token', client, fields)).status)
    await ask()
    travel(61)
    const held: ServerResponse[] = []
    host.answer('/keys', (response) => void held.push(response))
    const all = Array.from({ length: 40 }, ask)
    await eventually('the requests beyond 32 are answered', () => served.length === 1 + 8)
    for (const response of held) response.end(keys)
    await Promise.all(all)
    expect(served).to.deep.equal(Array(41).fill(200))
    expect(host.asked.get('/keys')).to.equal(2)
  })
})
