import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { apply } from '../../src/cli/apply.ts'
import { cibaGrant, deviceCodeGrant } from '../../src/clients/client.ts'
import { withoutAnswer } from '../../src/clients/sector-documents.ts'
import { isDomainError } from '../../src/errors.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { createAuthority, trust } from '../support/certificates.ts'
import { alice, callback, furnish, machine, web } from '../support/fixtures.ts'
import { post, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { expectError, informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

describe('sector documents of pairwise clients (P-082, OpenID Connect Core §8.1)', () => {
  let server: TestServer
  let origin: string
  let answer: RequestListener
  const asked: string[] = []
  const servers: Server[] = []
  const other = 'https://other.example/callback'
  const pairwise = {
    ...web,
    subject_type: 'pairwise',
    redirect_uris: [callback, other],
  }

  async function listen(site: Server): Promise<number> {
    servers.push(site)
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    return (site.address() as AddressInfo).port
  }
  before(async () => {
    const authority = await createAuthority()
    trust(authority)
    const { cert, key } = await authority.issue('CN=localhost', {
      names: [{ type: 'dns', value: 'localhost' }],
    })
    const port = await listen(
      createHttpsServer({ cert, key }, (request, response) => {
        asked.push(request.url ?? '')
        answer(request, response)
      }),
    )
    origin = `https://localhost:${port}`
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
  })
  beforeEach(() => {
    asked.length = 0
    answer = lists(callback, other)
  })
  after(async () => {
    backToPresent()
    await server?.stop()
    for (const site of servers) site.close()
  })

  const lists =
    (...uris: unknown[]): RequestListener =>
    (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(uris))
  const client = (client_id: string, path = '/sector') => ({
    ...pairwise,
    client_id,
    sector_identifier_uri: origin + path,
  })
  const declare = (declaration: Record<string, unknown>, at = server) =>
    at.core.clients.declare(defaultTenant, declaration).then(
      ({ outcome }) => outcome,
      (error: { detail: { faults: string[] } }) =>
        isDomainError(error, 'client_invalid') ? error.detail.faults.join() : 'failed',
    )

  it('are accepted if they list every redirect URI, and clients of a sector share subject identifiers', async () => {
    expect(await declare(client('one'))).to.equal('created')
    expect(await declare(client('two', '/elsewhere'))).to.equal('created')
    expect(asked).to.deep.equal(['/sector', '/elsewhere'])
    const subOf = async (client_id: string) =>
      decodeJwt((await tokensFor(server, { ...web, client_id })).id_token ?? '').sub
    const sub = await subOf('one')
    expect(sub).to.match(/^[\w-]{22}$/)
    expect(await subOf('two')).to.equal(sub)
    const alone = { ...pairwise, client_id: 'alone', redirect_uris: [callback] }
    expect(await declare(alone)).to.equal('created')
    expect(await subOf('alone')).not.to.equal(sub)
  })

  const wrong: Record<string, [RequestListener, RegExp]> = {
    'omits a redirect URI': [
      (...about) => lists(callback)(...about),
      /must list https:\/\/other\.example/,
    ],
    'lists a similar URI instead': [
      (...about) => lists(callback, `${other}/`)(...about),
      /must list https:\/\/other\.example/,
    ],
    'is an object': [(_request, response) => response.end('{}'), /JSON array of strings/],
    'lists numbers': [(...about) => lists(1, callback, other)(...about), /JSON array of strings/],
    'is not JSON': [(_request, response) => response.end('<html>'), /must be JSON/],
    'is empty': [(_request, response) => response.end(), /must be JSON/],
    'is missing': [(_request, response) => response.writeHead(404).end('[]'), /it returned 404/],
    'has status 204': [(_request, response) => response.writeHead(204).end(), /204/],
    'is too large': [(_request, response) => response.end('['.padEnd(300_000)), /answer_too_large/],
    'breaks off': [(request) => request.socket.destroy(), /connection_failed/],
  }
  for (const [what, [listener, fault]] of Object.entries(wrong)) {
    it(`reject a client if its document ${what}`, async () => {
      answer = listener
      const said = await declare(client('refused'))
      expect(said)
        .to.match(/^sector_identifier_uri: /)
        .and.match(fault)
      // Otherwise a stranger could probe hosts that only this server reaches.
      expect(withoutAnswer(said)).not.to.match(/failed|too_large|404|204|302/)
      expect(await server.core.clients.find(defaultTenant, 'refused')).to.equal(undefined)
    })
  }

  it('are fetched without following redirects, and never from a private address (C11)', async () => {
    let reached = 0
    const canary = await listen(
      createServer((_request, response) => {
        reached++
        response.end(JSON.stringify([callback, other]))
      }),
    )
    answer = (_request, response) =>
      response.writeHead(302, { location: `http://localhost:${canary}/` }).end()
    expect(await declare(client('led'))).to.contain('it returned 302')
    const strict = await boot(anyStorage)
    try {
      asked.length = 0
      for (const uri of [`${origin}/sector`, `https://127.0.0.1:${canary}/`, `https://[::1]/`]) {
        const led = { ...client('led'), sector_identifier_uri: uri }
        expect(await declare(led, strict), uri).to.contain('address_refused')
      }
      const plain = { ...client('led'), sector_identifier_uri: `http://localhost:${canary}/` }
      expect(await declare(plain, strict)).to.contain('https')
    } finally {
      await strict.stop()
    }
    expect({ reached, asked }).to.deep.equal({ reached: 0, asked: [] })
  })

  it('are fetched again only if their address or the redirect URIs change', async () => {
    const known = client('known')
    expect(await declare(known)).to.equal('created')
    asked.length = 0
    answer = (_request, response) => response.writeHead(503).end()
    expect(await declare(known)).to.equal('unchanged')
    expect(await declare({ ...known, client_name: 'New name' })).to.equal('updated')
    expect(asked).to.deep.equal([])
    const third = 'https://third.example/callback'
    const grown = { ...known, redirect_uris: [callback, other, third] }
    expect(await declare(grown)).to.contain('it returned 503')
    answer = lists(callback, other, third)
    expect(await declare(grown)).to.equal('updated')
    const moved = { ...grown, sector_identifier_uri: `${origin}/moved` }
    expect(await declare(moved)).to.equal('updated')
    expect(asked).to.deep.equal(['/sector', '/sector', '/moved'])
  })

  it('list the jwks_uri of a client without redirect URIs: for devices, or CIBA', async () => {
    const jwks_uri = `${origin}/keys`
    const device = {
      ...client('device'),
      client_secret: undefined,
      redirect_uris: [],
      grant_types: [deviceCodeGrant],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri,
    }
    expect(await declare(device)).to.contain(`must list ${jwks_uri}`)
    const bank = {
      ...{ ...device, client_id: 'bank', grant_types: [cibaGrant] },
      ...{ backchannel_token_delivery_mode: 'poll', sector_identifier_uri: `${origin}/bank` },
    }
    expect(await declare(bank)).to.contain(`must list ${jwks_uri}`)
    answer = lists(jwks_uri)
    expect(await declare(device)).to.equal('created')
  })

  it('that are slow do not block other requests while a file is applied', async () => {
    const { promise: isAsked, resolve: note } = Promise.withResolvers<void>()
    const waiting: Array<() => void> = []
    let requests = 0
    answer = (request, response) => {
      requests++
      note()
      waiting.push(() => lists(callback, other)(request, response))
    }
    const document = { tenants: [], resource_servers: [], accounts: [], webhooks: [] }
    const clients = [client('slow-one'), client('slow-two')]
    const applied = apply.execute(server.core, {
      tenant: defaultTenant,
      document: { ...document, clients } as never,
      plan: false,
    })
    await isAsked
    // Embedded Postgres has one connection: a transaction open during the fetch would block all requests.
    const form = { grant_type: 'client_credentials' }
    tokensIn(
      await post(server, '/token', machine, { ...form, resource: 'https://api.example.com' }),
    )
    for (const release of waiting) release()
    expect(await applied).to.include({ created: 2 })
    expect(requests, 'one document, fetched once').to.equal(1)
  })

  describe('and clients that no operator vouches for', () => {
    const { send, register, declare: policy } = registrar(() => server)
    const theirs = 'https://bank.example/callback'
    const offline = { scope: 'openid offline_access' }
    const subOf = ({ id_token = '' }: { id_token?: string }) => decodeJwt(id_token).sub
    let bank: string | undefined
    before(async () => {
      answer = lists(theirs)
      const declared = { ...client('bank', '/list'), redirect_uris: [theirs] }
      expect(await declare(declared)).to.equal('created')
      const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
      const metadata = await server.core.clients.metadata(defaultTenant, 'bank')
      bank = await server.core.subjects.of(defaultTenant, metadata as never, account?.id ?? '')
    })

    it('do not let a client with tokens join the sector of another', async () => {
      await policy({ mode: 'open' })
      const own = informationIn(await register({ ...selfDeclared, subject_type: 'pairwise' }))
      const held = await tokensFor(server, own, offline)
      answer = lists(theirs)
      const { client_id, registration_client_uri: at, registration_access_token: token } = own
      const sector_identifier_uri = `${origin}/list`
      const moved = { subject_type: 'pairwise', redirect_uris: [theirs], sector_identifier_uri }
      const page = await send('PUT', at, { body: { ...selfDeclared, client_id, ...moved }, token })
      expect(subOf(tokensIn(await refresh(server, own, held)))).not.to.equal(bank)
      expect(expectError(page, 400, 'invalid_client_metadata')).to.contain('register a new client')
    })

    it('are not used for metadata documents, whose sector is their own host (OAuth Client ID Metadata Document)', async () => {
      await policy({
        client_id_metadata_documents: true,
        defaults: { subject_type: 'pairwise' },
      })
      const client_id = `${origin}/client.json`
      const publishes = (redirect_uris: string[]) => {
        const grant_types = ['authorization_code', 'refresh_token']
        const document = JSON.stringify({ client_id, redirect_uris, grant_types })
        const type = { 'content-type': 'application/json' }
        answer = (_request, response) => response.writeHead(200, type).end(document)
      }
      publishes([callback])
      const held = await tokensFor(server, { client_id }, offline)
      publishes([theirs])
      travel(301)
      const next = tokensIn(await refresh(server, { client_id }, held))
      const { metadata } = (await server.core.clients.find(defaultTenant, client_id)) ?? {}
      expect(metadata).to.deep.include({ redirect_uris: [theirs] })
      expect(subOf(next)).to.equal(subOf(held))
    })
  })
})
