import { expect } from 'chai'
import { ask, bootstrap, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { post } from '../support/protocol.ts'
import { remember } from '../support/witness.ts'

describe('clients in the admin API', () => {
  const server = booted(anyStorage)
  let token: string
  const clients = '/tenants/default/clients'

  before(async () => {
    token = await tokenOf(server, await bootstrap(server))
  })

  const wanted = {
    client_name: 'Web shop',
    redirect_uris: ['https://shop.example.com/callback'],
    grant_types: ['authorization_code', 'client_credentials'],
  }

  it('are created, read, replaced and deleted', async () => {
    const created = await ask(server, 'POST', clients, { token, body: wanted })
    expect(created.status, created.body).to.equal(201)
    const made = created.json() as Record<string, string>
    remember(made['client_secret'] as string)
    const path = `${clients}/${made['client_id']}`

    const read = await ask(server, 'GET', path, { token })
    expect(read.status).to.equal(200)
    const known = read.json() as Record<string, unknown>
    expect(known).to.deep.include(wanted)
    expect(known).not.to.have.property('client_secret')
    const etag = read.headers.get('etag') ?? ''
    const again = await ask(server, 'GET', path, { token, headers: { 'if-none-match': etag } })
    expect(again.status).to.equal(304)

    const body = { ...known, client_name: 'Shop' }
    const blind = await ask(server, 'PUT', path, { token, body })
    expect(blind.json()).to.include({ status: 428, code: 'precondition_required' })
    const changed = await ask(server, 'PUT', path, { token, body, headers: { 'if-match': etag } })
    expect(changed.status, changed.body).to.equal(200)
    expect(changed.json()).to.include({ client_name: 'Shop' })
    const late = await ask(server, 'PUT', path, { token, body, headers: { 'if-match': etag } })
    expect(late.json()).to.include({ status: 412, code: 'precondition_failed' })

    const now = { 'if-match': changed.headers.get('etag') ?? '' }
    const deleted = await ask(server, 'DELETE', path, { token, headers: now })
    expect(deleted.status, deleted.body).to.equal(204)
    expect((await ask(server, 'GET', path, { token })).status).to.equal(404)
  })

  it('are refused with unpaired surrogates, which Postgres cannot store', async () => {
    for (const client_name of ['half \ud83d', 'none \u0000']) {
      const page = await ask(server, 'POST', clients, { token, body: { ...wanted, client_name } })
      expect(page.json()).to.include({ status: 400, code: 'request_invalid' })
    }
    const body = { ...wanted, 'client_name#\ud83d': 'a name of which half is missing' }
    const page = await ask(server, 'POST', clients, { token, body })
    expect(page.body).to.contain('half a surrogate pair')
  })

  it('get a second secret while the old one remains valid', async () => {
    const { client_id, client_secret } = (
      await ask(server, 'POST', clients, { token, body: wanted })
    ).json() as { client_id: string; client_secret: string }
    const rotated = await ask(server, 'POST', `${clients}/${client_id}/secrets`, {
      token,
      body: { overlap: 60 },
    })
    expect(rotated.status, rotated.body).to.equal(201)
    const next = rotated.json() as { client_secret: string }
    remember(client_secret, next.client_secret)
    for (const secret of [client_secret, next.client_secret]) {
      const page = await post(
        server,
        '/token',
        { client_id, client_secret: secret },
        { grant_type: 'client_credentials' },
      )
      expect(page.status, page.body).to.equal(200)
    }
  })

  it('are changed by only one of many requests with the same version (C26)', async () => {
    const body = { client_id: 'contested', grant_types: ['client_credentials'] }
    const created = await ask(server, 'POST', clients, { token, body })
    remember((created.json() as { client_secret: string }).client_secret)
    const path = `${clients}/contested`
    const etag = (await ask(server, 'GET', path, { token })).headers.get('etag') ?? ''
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        ask(server, 'PUT', path, {
          token,
          body: { ...body, client_name: `Version ${i}` },
          headers: { 'if-match': etag },
        }),
      ),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).to.deep.equal([
      200, 412, 412, 412, 412, 412,
    ])
    const won = answers.find(({ status }) => status === 200)
    const now = await ask(server, 'GET', path, { token })
    expect(now.headers.get('etag')).to.equal(won?.headers.get('etag'))
    expect(now.json()).to.deep.equal(won?.json())
  })

  it('may be created with the secret of another system, and are validated by the rules of apply', async () => {
    const secret = 'imported-from-another-system'
    remember(secret)
    const imported = { ...wanted, client_id: 'imported', client_secret: secret }
    const created = await ask(server, 'POST', clients, { token, body: imported })
    expect(created.status, created.body).to.equal(201)
    expect(created.json()).not.to.have.property('client_secret')
    const grant = { grant_type: 'client_credentials' }
    expect((await post(server, '/token', imported, grant)).status).to.equal(200)

    const wrong = { ...wanted, redirect_uris: ['http://shop.example.com/cb', '/x'], fapi: '2.0' }
    const page = await ask(server, 'POST', clients, { token, body: wrong })
    const { code, errors } = page.json() as { code: string; errors: string[] }
    expect(code).to.equal('request_invalid')
    expect(errors.filter((each) => each.startsWith('redirect_uris['))).to.have.length(2)
    const jwt = { ...wanted, userinfo_encrypted_response_enc: 'A256GCM' }
    const refused = await ask(server, 'POST', clients, { token, body: jwt })
    expect(refused.json(), refused.body).to.include({ status: 400, code: 'client_invalid' })
  })

  it('may name only scopes and resource servers that exist or that they named before', async () => {
    const issuer = server.issuer
    const api = { identifier: 'https://news.example.com', scopes: ['news:read'] }
    const refused = async (names: object) => {
      const page = await ask(server, 'POST', clients, { token, body: { ...wanted, ...names } })
      const { code, errors } = page.json() as { code: string; errors: string[] }
      expect([page.status, code], page.body).to.deep.equal([400, 'client_invalid'])
      return errors.join('\n')
    }
    const names = { scope: 'openid news:read', resources: [api.identifier, issuer] }
    expect(await refused(names))
      .to.include(
        'scope: no resource server has the scope news:read: declare it in a resource server first',
      )
      .and.include(`resources: there is no resource server ${api.identifier}`)
      .and.include(`known resource servers: ${issuer}, ${issuer}/revocations`)
    await server.core.resources.declare('default', api)
    expect(await refused({ ...names, scope: 'openid;news:read' })).to.match(
      /single spaces \(RFC 6749 §3\.3\), got "openid;news:read"/,
    )
    const created = await ask(server, 'POST', clients, { token, body: { ...wanted, ...names } })
    expect(created.status, created.body).to.equal(201)
    const { client_secret, ...made } = created.json() as Record<string, string>
    remember(client_secret as string)
    const path = `${clients}/${made['client_id']}`
    await server.core.resources.delete('default', api.identifier)
    const etag = (await ask(server, 'GET', path, { token })).headers.get('etag') ?? ''
    const body = { ...made, client_name: 'Later' }
    const changed = await ask(server, 'PUT', path, { token, body, headers: { 'if-match': etag } })
    expect(changed.status, changed.body).to.equal(200)
  })
})
