import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt, SignJWT } from 'jose'
import { clientsList } from '../../src/cli/clients-list.ts'
import { deviceCodeGrant } from '../../src/clients/client.ts'
import { dryRun } from '../../src/oidc/dry-run.ts'
import type { ResourceServer } from '../../src/resources/resource-server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { askFor, enterCode, finishSteps, startDevice } from '../support/devices.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, callback, furnish, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  codeFor,
  expectRefusal,
  expectReturned,
  post,
  redeem,
  refresh,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { registrar } from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('clients identified by a metadata document', () => {
  let server: TestServer
  let host: DocumentHost

  const { send, declare } = registrar(() => server)
  const on = { client_id_metadata_documents: true }
  const assertion = (client_id: string, key: KeyObject) =>
    new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(client_id)
      .setSubject(client_id)
      .setAudience(server.issuer)
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(key)
  const stored = async (id: string) => {
    const rows = await server.core.database.query('select 1 from clients where client_id = $1', [
      id,
    ])
    return rows.length === 1
  }

  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    host = await startDocumentHost()
  })
  beforeEach(() => declare(on))
  after(async () => {
    backToPresent()
    host?.stop()
    await server?.stop()
  })

  it('are unknown if the tenant does not accept them, and discovery does not advertise them (P-092)', async () => {
    const advertised = async () => {
      const page = await send('GET', '/.well-known/oauth-authorization-server')
      return (page.json() as Record<string, unknown>)['client_id_metadata_document_supported']
    }
    await eventually('the metadata advertises documents', async () => (await advertised()) === true)
    await declare({})
    await eventually(
      'the metadata no longer advertises documents',
      async () => (await advertised()) === undefined,
    )
    const client_id = host.publish('/off')
    const page = await createUserAgent().get(authorizeUrl(server, { client_id }))
    expect(page.status).to.equal(400)
    expect(page.body).to.contain('invalid_client')
    expect(host.asked.get('/off')).to.equal(undefined)
  })

  it('sign users in, and are stored at the first consent (P-089)', async () => {
    const client_id = host.publish('/client.json')
    const agent = createUserAgent()
    const first = await agent.follow(await agent.get(authorizeUrl(server, { client_id })))
    expect(first.status, first.body).to.equal(200)
    const consent = await agent.follow(
      await agent.submit(first, { fields: { username: alice.email, password: alice.password } }),
    )
    const { host: shown } = new URL(client_id)
    expect(consent.body).to.contain(`comes from <code>${shown}</code>`)
    expect(await stored(client_id), 'before consent').to.equal(false)
    const code = await codeFor(server, { client_id }, { scope: 'openid offline_access' })
    expect(await stored(client_id), 'after consent').to.equal(true)
    const tokens = tokensIn(
      await redeem(server, { client_id, token_endpoint_auth_method: 'none' }, code),
    )
    expect(tokens.refresh_token).to.be.a('string')
    expect(host.asked.get('/client.json'), 'fetched once').to.equal(1)
    const { clients } = await clientsList.execute(server.core, { tenant: defaultTenant })
    const listed = clients.find((each) => each.client_id === client_id)
    expect(listed).to.include({ registered_by: 'document', client_name: 'A travelling tool' })
  })

  it('reach only open resource servers, and get an error page otherwise (architecture §7)', async () => {
    const client_id = host.publish('/reach')
    const fields = { resource: api, scope: 'orders:read', nonce: undefined }
    const url = authorizeUrl(server, { client_id }, fields)
    const shown = await createUserAgent().get(url)
    expect(shown.body).to.contain('invalid_target')
    expect(await stored(client_id)).to.equal(false)
  })

  it('introspect no tokens of others, even if a resource server names them and they are not stored yet (architecture §7)', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const client_id = host.publish('/reader', {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicKey.export({ format: 'jwk' })] },
    })
    const { resources } = server.core
    const declared = (await resources.find(defaultTenant, api)) as ResourceServer
    const { introspection_clients: named } = declared
    await resources.declare(defaultTenant, {
      ...declared,
      introspection_clients: [...named, client_id],
    })
    const { access_token: token } = await tokensFor(server, web, {
      scope: 'openid orders:read',
      resource: api,
    })
    const ask = async () =>
      post(
        server,
        '/introspect',
        { client_id },
        {
          token,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await assertion(client_id, privateKey),
        },
      )
    // From here on this process knows the client, which can authenticate.
    await createUserAgent().get(authorizeUrl(server, { client_id }))
    const unused = await ask()
    expect(unused.json(), unused.body).to.deep.equal({ active: false })
    await resources.declare(defaultTenant, declared)
  })

  it('are fetched only where a flow begins; concurrent requests share one fetch', async () => {
    const client_id = host.publish('/begin')
    const client = { client_id, token_endpoint_auth_method: 'none' }
    for (const path of ['/token', '/revoke', '/introspect']) {
      const page = await post(server, path, client, { token: 'x', grant_type: 'refresh_token' })
      expect(page.status, path).to.be.oneOf([400, 401])
    }
    expect(host.asked.get('/begin')).to.equal(undefined)
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => createUserAgent().get(authorizeUrl(server, client))),
    )
    for (const page of pages) expect(page.status, page.body).to.equal(303)
    expect(host.asked.get('/begin')).to.equal(1)
    const pushed = host.publish('/pushed')
    const { searchParams } = authorizeUrl(server, { client_id: pushed })
    const answer = await post(
      server,
      '/par',
      { client_id: pushed },
      Object.fromEntries(searchParams),
    )
    expect(answer.status, answer.body).to.equal(201)
    expect(await stored(pushed)).to.equal(false)
  })

  it('are stored once when several users consent at the same time', async () => {
    const client_id = host.publish('/twice')
    const codes = await Promise.all([1, 2, 3].map(() => codeFor(server, { client_id })))
    for (const code of codes) tokensIn(await redeem(server, { client_id }, code))
    const rows = await server.core.database.query(
      `select 1 from audit_events where client_id = $1 and type = 'client.registered'`,
      [client_id],
    )
    expect(rows).to.have.length(1)
  })

  it('follow changes of their document when it is fetched again: redirect URIs and keys (P-086)', async () => {
    const other = 'http://localhost:9/other'
    const client_id = host.publish('/change', { redirect_uris: [callback, other] })
    const tokens = await tokensFor(server, { client_id }, { redirect_uri: other })
    host.publish('/change', { client_name: 'Another name' })
    const ask = () =>
      createUserAgent().get(authorizeUrl(server, { client_id }, { redirect_uri: other }))
    expect((await ask()).status, 'cached').to.equal(303)
    travel(301)
    const refused = await ask()
    expect(refused.status).to.equal(400)
    expect(refused.body).to.contain('redirect_uri')
    expect((await server.core.clients.find(defaultTenant, client_id))?.metadata).to.include({
      client_name: 'Another name',
    })
    tokensIn(await refresh(server, { client_id }, tokens))

    const [old, next] = [keyPair(), keyPair()]
    const signed = { token_endpoint_auth_method: 'private_key_jwt' }
    const own = host.publish('/keys', { ...signed, jwks: { keys: [old.jwk] } })
    const by = async (key: KeyObject) => ({
      client_id: own,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(own, key),
    })
    const code = await codeFor(server, { client_id: own })
    const first = tokensIn(await redeem(server, { client_id: own }, code, await by(old.key)))
    host.publish('/keys', { ...signed, jwks: { keys: [next.jwk] } })
    travel(301)
    const byOld = await refresh(server, { client_id: own }, first, await by(old.key))
    expectRefusal(byOld, 401, 'invalid_client')
    tokensIn(await refresh(server, { client_id: own }, first, await by(next.key)))
  })

  it('keep working for a day while their host is unavailable, but not once it answers 410 or 404', async () => {
    const client_id = host.publish('/down')
    let tokens = await tokensFor(server, { client_id })
    const again = async () => refresh(server, { client_id }, tokens)
    host.answer('/down', (response) => response.writeHead(503).end())
    travel(301)
    tokens = tokensIn(await again())
    tokens = tokensIn(await again())
    expect(host.asked.get('/down'), 'no fetch in between').to.equal(2)
    travel(24 * 3600)
    expectRefusal(await again(), 503, 'temporarily_unavailable')
    host.answer('/down', (response) => response.writeHead(410).end())
    travel(60)
    expectRefusal(await again(), 400, 'invalid_client')
    host.publish('/down')
    tokens = tokensIn(await again())
    host.answer('/down', (response) => response.writeHead(404).end())
    travel(301)
    expectRefusal(await again(), 400, 'invalid_client')
    expectRefusal(await again(), 400, 'invalid_client')
    host.publish('/down')
    tokensIn(await again())
  })

  it('stay disabled whatever their document says, also after they expire', async () => {
    const { revocations, registrations, database, clients } = server.core
    const client_id = host.publish('/disabled')
    const tokens = await tokensFor(server, { client_id })
    const unused = host.publish('/disabled-early')
    await codeFor(server, { client_id: unused })
    for (const id of [client_id, unused]) {
      await revocations.setClientDisabled(defaultTenant, id, true)
    }
    host.publish('/disabled', { client_name: 'Let me in' })
    travel(301)
    const unknown = async () => {
      const page = await createUserAgent().get(authorizeUrl(server, { client_id }))
      expect(page.body).to.contain('invalid_client')
      expectRefusal(await refresh(server, { client_id }, tokens), 401, 'invalid_client')
    }
    await unknown()
    await database.execute(
      `update registered_clients set expires_at = registered_at where client_id = any($1)`,
      [[client_id, unused]],
    )
    await registrations.sweep()
    expect(await clients.isDisabled(defaultTenant, client_id)).to.equal(true)
    expect(await clients.isDisabled(defaultTenant, unused)).to.equal(true)
    await unknown()
    expect(host.asked.get('/disabled')).to.equal(1)
    await revocations.setClientDisabled(defaultTenant, client_id, false)
    await registrations.sweep()
    expect(await stored(client_id), 'enabled and expired').to.equal(false)
    travel(10)
    await tokensFor(server, { client_id })
  })

  it("follow an operator's declaration, which their document does not change", async () => {
    const own = { redirect_uris: [callback], token_endpoint_auth_method: 'none' }
    const before = host.publish('/declared', { client_name: 'Mine' })
    const later = host.publish('/later')
    await tokensFor(server, { client_id: later })
    for (const client_id of [before, later]) {
      const declaration = { client_id, client_name: 'Declared', ...own }
      await server.core.clients.declare(defaultTenant, declaration)
      travel(301)
      await tokensFor(server, { client_id })
      const found = await server.core.clients.find(defaultTenant, client_id)
      expect(found?.metadata).to.include({ client_name: 'Declared' })
    }
    expect(host.asked.get('/declared')).to.equal(undefined)
    expect(host.asked.get('/later')).to.equal(1)
  })

  it('are limited by the policy, also when it changes later', async () => {
    const client_id = host.publish('/policy', { scope: 'openid profile' })
    const tokens = await tokensFor(server, { client_id }, { scope: 'openid profile' })
    await declare({ ...on, scopes: ['openid'] })
    const page = await createUserAgent().get(
      authorizeUrl(server, { client_id }, { scope: 'openid profile', prompt: 'none' }),
    )
    expectReturned(page, 'invalid_scope')
    expect(host.asked.get('/policy'), 'from the cached document').to.equal(1)
    const narrower = tokensIn(await refresh(server, { client_id }, tokens))
    expect(narrower.scope).to.equal('openid')
    expect(decodeJwt(tokens.id_token ?? '')).to.include({ name: alice.name })
    expect(decodeJwt(narrower.id_token ?? '')).not.to.have.any.keys('name', 'updated_at')
    for (const policy of [
      { client_id_metadata_document_hosts: ['other.example'] },
      { client_id_metadata_documents: false },
    ]) {
      await declare({ ...on, ...policy })
      expectRefusal(await refresh(server, { client_id }, narrower), 401, 'invalid_client')
    }
    await declare({ ...on, client_id_metadata_document_hosts: ['localhost'] })
    tokensIn(await refresh(server, { client_id }, narrower))
  })

  it('may be a device whose polling outlasts the cached document (RFC 8628 §3.4)', async () => {
    await declare({ ...on, grant_types: [deviceCodeGrant, 'refresh_token'] })
    const client_id = host.publish('/device', {
      grant_types: [deviceCodeGrant, 'refresh_token'],
      redirect_uris: [],
    })
    const client = { client_id, token_endpoint_auth_method: 'none' }
    const asked = await startDevice(server, { scope: 'openid' }, client)
    expectRefusal(await askFor(server, asked, client), 400, 'authorization_pending')
    travel(301)
    expectRefusal(await askFor(server, asked, client), 400, 'authorization_pending')
    expect(host.asked.get('/device')).to.equal(2)
    expect(await stored(client_id)).to.equal(false)
    const agent = createUserAgent()
    await finishSteps(agent, await enterCode(server, agent, asked.user_code))
    expect(await stored(client_id)).to.equal(true)
    travel(10)
    tokensIn(await askFor(server, asked, client))
  })

  it('are refused with details for operators and little for the caller', async () => {
    const client_id = host.publish('/wrong', { client_secret: 'a-secret-that-is-no-secret' })
    const page = await post(server, '/par', { client_id }, { client_id })
    expectRefusal(page, 400, 'invalid_client')
    const { error_id: id, error_description: said } = page.json() as Record<string, string>
    expect(said).to.equal('The metadata document of the client is not valid.')
    await eventually(
      'the refusal is stored',
      async () => (await server.core.refusals.find(id ?? '')) !== undefined,
    )
    const refusal = await server.core.refusals.find(id ?? '')
    expect(refusal).to.include({ check: 'client_document_invalid' })
    expect(refusal?.received).to.contain('client_secret')
    const rehearsed = await dryRun(server.core, authorizeUrl(server, { client_id }), 100)
    expect(rehearsed.faults.map(({ check }) => check)).to.deep.equal(['client_document_invalid'])
    expect(rehearsed.faults[0]?.received).to.contain('client_secret')
    const ugly = `${host.origin}/a/../wrong`
    const shown = await createUserAgent().get(authorizeUrl(server, { client_id: ugly }))
    expect(shown.status).to.equal(400)
    expect(shown.body).to.contain('invalid_client')
  })

  it('store nothing without consent, however many there are (C25)', async () => {
    const count = async () => {
      const [row] = await server.core.database.query<{ n: number }>(
        `select (select count(*) from clients) + (select count(*) from registered_clients)
           + (select count(*) from client_documents) as n`,
      )
      return Number(row?.n)
    }
    const before = await count()
    for (let i = 0; i < 20; i++) {
      const client_id = host.publish(`/flood/${i}`)
      expect((await createUserAgent().get(authorizeUrl(server, { client_id }))).status).to.equal(
        303,
      )
    }
    expect(await count()).to.equal(before)
  })
})

function keyPair() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { key: privateKey, jwk: publicKey.export({ format: 'jwk' }) }
}
