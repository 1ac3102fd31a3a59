import { expect } from 'chai'
import { clientsList } from '../../src/cli/clients-list.ts'
import {
  registrationTokensCreate,
  registrationTokensList,
  registrationTokensRevoke,
} from '../../src/cli/registration-tokens.ts'
import { type Client, deviceCodeGrant } from '../../src/clients/client.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, callback, furnish, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  introspect,
  redeem,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import {
  expectError,
  informationIn,
  selfDeclared as metadata,
  registrar,
} from '../support/registering.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

describe('self-registered clients', () => {
  const server = booted(anyStorage, {}, furnish)

  const { send, register, declare } = registrar(() => server)

  beforeEach(() => declare({ mode: 'open' }))

  it('are refused if registration is off, and discovery does not advertise it (RFC 8414 §2)', async () => {
    const advertised = async () => {
      const page = await send('GET', '/.well-known/openid-configuration')
      return (page.json() as { registration_endpoint?: string }).registration_endpoint
    }
    await eventually('advertised', async () => (await advertised()) === `${server.issuer}/register`)
    await declare({ mode: 'off' })
    expectError(await register(metadata), 404, 'invalid_request')
    await eventually('no longer advertised', async () => (await advertised()) === undefined)
  })

  it('get an id, a secret and a registration token, and sign users in (RFC 7591 §3.2.1)', async () => {
    const answer = await register({ ...metadata, unheard_of: 1, require_mfa: false, fapi: null })
    expect(answer.status).to.equal(201)
    expect(answer.headers.get('cache-control')).to.equal('no-store')
    const client = informationIn(answer)
    expect(client).to.include({ client_secret_expires_at: 0, client_name: 'A tool' })
    expect(client.client_secret).to.have.length(43)
    expect(client.registration_access_token).to.have.length(43)
    expect(client['response_types']).to.deep.equal(['code'])
    expect(client).not.to.have.property('unheard_of')
    const tokens = tokensIn(await redeem(server, client, await codeFor(server, client)))
    expect(tokens.id_token).to.be.a('string')
  })

  it('need an initial access token with uses left if the policy says so (RFC 7591 §3)', async () => {
    await declare({ mode: 'token' })
    const { initialTokens } = server.core.registrations
    const { token } = await initialTokens.create(defaultTenant, { uses: 2 })
    remember(token)
    const none = await register(metadata)
    expectError(none, 401, 'invalid_token')
    expect(none.headers.get('www-authenticate')).to.equal('Bearer')
    const wrong = await register(metadata, 'another')
    expectError(wrong, 401, 'invalid_token')
    expect(wrong.headers.get('www-authenticate')).to.equal('Bearer error="invalid_token"')
    const answers = await Promise.all([1, 2, 3, 4].map(() => register(metadata, token)))
    expect(answers.map(({ status }) => status)).to.have.members([201, 201, 401, 401])
    for (const answer of answers) if (answer.status === 201) informationIn(answer)
  })

  it('cannot set members reserved to operators (P-080, security class C16)', async () => {
    for (const [member, value] of Object.entries({
      require_pkce: false,
      resources: [api],
      errors_need_sign_in: false,
      refresh_token_absolute_ttl: 60_000_000,
      refresh_replay_window: 60,
      fapi: '2.0',
    })) {
      const said = expectError(
        await register({ ...metadata, [member]: value }),
        400,
        'invalid_client_metadata',
      )
      expect(said).to.contain(member)
    }
    const machine = { ...metadata, grant_types: ['client_credentials'], scope: 'orders:read' }
    expectError(await register(machine), 400, 'invalid_client_metadata')
    const own = informationIn(
      await register({ ...metadata, client_id: 'web', client_secret: 'mine' }),
    )
    expect(own.client_id).not.to.equal('web')
    expect(own.client_secret).not.to.equal('mine')
  })

  it('reach only open resource servers (architecture §7)', async () => {
    const client = informationIn(await register(metadata))
    const url = authorizeUrl(server, client, {
      resource: api,
      scope: 'orders:read',
      nonce: undefined,
    })
    // No operator vouches for its redirect URI: the error is shown, not redirected (ADR 0013).
    const shown = await createUserAgent().get(url)
    expect(shown.location).to.equal(undefined)
    expect(shown.body).to.contain('Nobody has checked who that is').and.to.contain('invalid_target')
    const silent = await createUserAgent().get(`${url.href}&prompt=none`)
    expect(silent.location?.searchParams.get('error')).to.equal('invalid_target')
  })

  it('are managed with their own token only, which every change replaces (P-081, RFC 7592 §2, §3)', async () => {
    const one = informationIn(await register(metadata))
    const two = informationIn(await register(metadata))
    const at = one.registration_client_uri
    const read = informationIn(await send('GET', at, { token: one.registration_access_token }))
    expect(read).to.include({
      client_id: one.client_id,
      client_id_issued_at: one.client_id_issued_at,
    })
    expect(read).not.to.have.property('client_secret')
    const wrong = [two.registration_access_token, 'x', undefined]
    for (const method of ['GET', 'PUT', 'DELETE']) {
      for (const token of wrong) {
        const body = method === 'PUT' ? { ...metadata, client_id: one.client_id } : undefined
        const options = {
          ...(body === undefined ? {} : { body }),
          ...(token === undefined ? {} : { token }),
        }
        expectError(await send(method, at, options), 401, 'invalid_token')
      }
    }
    const body = { ...metadata, client_id: one.client_id, client_name: 'Another name' }
    const changes = await Promise.all(
      [1, 2, 3].map(() => send('PUT', at, { body, token: one.registration_access_token })),
    )
    expect(changes.map(({ status }) => status)).to.have.members([200, 401, 401])
    const changed = informationIn(changes.find(({ status }) => status === 200) as Page)
    expect(changed['client_name']).to.equal('Another name')
    expectError(
      await send('GET', at, { token: one.registration_access_token }),
      401,
      'invalid_token',
    )
    const token = changed.registration_access_token
    const wide = { ...body, require_pkce: false }
    expectError(await send('PUT', at, { body: wide, token }), 400, 'invalid_client_metadata')
    expect((await send('GET', at, { token })).status).to.equal(200)
    await server.core.revocations.setClientDisabled(defaultTenant, one.client_id, true)
    expectError(await send('PUT', at, { body, token }), 401, 'invalid_token')
  })

  it('can delete themselves with all their tokens (RFC 7592 §2.3)', async () => {
    const client = informationIn(await register(metadata))
    const tokens = tokensIn(await redeem(server, client, await codeFor(server, client)))
    remember(tokens.refresh_token ?? '')
    const { registration_client_uri: at, registration_access_token: token } = client
    const answers = await Promise.all([1, 2].map(() => send('DELETE', at, { token })))
    for (const { status } of answers) expect(status).to.be.oneOf([204, 401])
    expect(answers.some(({ status }) => status === 204)).to.equal(true)
    expectError(await send('GET', at, { token }), 401, 'invalid_token')
    expect(
      await server.core.families.list(defaultTenant, { clientId: client.client_id }),
    ).to.deep.equal([])
  })

  it('stay within the policy, also when they change (P-080)', async () => {
    await declare({
      mode: 'open',
      hosts: ['*.example.com', 'localhost', 'com.example.app:'],
      scopes: ['openid', 'email'],
      refresh_token_absolute_ttl: 3600,
      defaults: { client_name: 'Unnamed', token_endpoint_auth_method: 'none' },
    })
    const client = informationIn(await register({ redirect_uris: [callback] }))
    expect(client).to.include({ client_name: 'Unnamed', token_endpoint_auth_method: 'none' })
    expect(client).to.include({ scope: 'openid email' }).and.not.to.have.property('client_secret')
    const { metadata: stored } = (await server.core.clients.find(
      defaultTenant,
      client.client_id,
    )) as Client
    expect(stored).to.include({ refresh_token_absolute_ttl: 3600 })
    const native = (uri: string) => ({ application_type: 'native', redirect_uris: [uri] })
    informationIn(await register(native('com.example.app:/cb')))
    const wider: Array<[string, object, string]> = [
      ['invalid_redirect_uri', { redirect_uris: ['https://evil.example/cb'] }, 'evil.example'],
      ['invalid_redirect_uri', { redirect_uris: ['https://example.com/cb'] }, 'example.com'],
      ['invalid_redirect_uri', { redirect_uris: ['https://notexample.com/cb'] }, 'notexample'],
      ['invalid_redirect_uri', native('com.evil.app://app.example.com/cb'), 'com.evil.app'],
      ['invalid_redirect_uri', native('app.example.com:/cb'), 'app.example.com:'],
      ['invalid_client_metadata', { logo_uri: 'https://evil.example/logo.png' }, 'logo_uri'],
      ['invalid_client_metadata', { jwks_uri: 'http://169.254.169.254/' }, 'jwks_uri'],
      ['invalid_client_metadata', { tos_uri: 'https://u@app.example.com/' }, 'user information'],
      ['invalid_client_metadata', { initiate_login_uri: 'http://app.example.com/' }, 'https'],
      ['invalid_client_metadata', { scope: 'openid orders:read' }, 'orders:read'],
      ['invalid_client_metadata', { grant_types: [deviceCodeGrant] }, 'device_code'],
      ['invalid_client_metadata', { client_name: 'Bank\u202e' }, 'client_name'],
    ]
    for (const [error, change, said] of wider) {
      const body = { redirect_uris: [callback], ...change }
      expect(expectError(await register(body), 400, error)).to.contain(said)
      const { registration_client_uri: at, registration_access_token: token } = client
      const changed = { ...body, client_id: client.client_id }
      expect(expectError(await send('PUT', at, { body: changed, token }), 400, error)).to.contain(
        said,
      )
    }
    const body = {
      redirect_uris: [callback],
      client_id: client.client_id,
      client_secret: 'made up',
    }
    const { registration_client_uri: at, registration_access_token: token } = client
    expectError(await send('PUT', at, { body, token }), 400, 'invalid_client_metadata')
  })

  it('cannot register dangerous redirect URIs, too many of them, or a malformed body (P-080, security class C1)', async () => {
    for (const uri of [
      'http://app.example.com/cb',
      'https://user@app.example.com/cb',
      'https://app.example.com/cb#x',
      'https://*.example.com/cb',
      'javascript:alert(1)',
      '',
    ]) {
      const said = expectError(
        await register({ ...metadata, redirect_uris: [uri] }),
        400,
        'invalid_redirect_uri',
      )
      expect(said).to.match(/^redirect_uris\[0\]: must /)
    }
    const many = Array.from({ length: 1500 }, (_, i) => `https://a.example/${i}`)
    const said = expectError(
      await register({ ...metadata, redirect_uris: many }),
      400,
      'invalid_redirect_uri',
    )
    expect(said).to.contain('1500')
    const url = new URL('/register', server.issuer)
    const headers = { 'content-type': 'application/json' }
    for (const body of ['', '[]', '{', 'null', '"x"']) {
      const page = await exchange({ method: 'POST', url, headers, body })
      expectError(page, 400, 'invalid_client_metadata')
    }
    expect(
      (await exchange({ method: 'POST', url, headers, body: `"${'x'.repeat(60_000)}"` })).status,
    ).to.equal(413)
  })

  it('are refused with a malformed Authorization header (security class C16)', async () => {
    const { registration_client_uri: at } = informationIn(await register(metadata))
    for (const authorization of [
      'Bearer',
      'Bearer  ',
      'Basic eDp4',
      'Bearer a b',
      `Bearer ${'x'.repeat(8000)}`,
    ]) {
      expectError(await send('GET', at, { headers: { authorization } }), 401, 'invalid_token')
      expectError(await register(metadata, authorization.slice(7) || ' '), 401, 'invalid_token')
    }
  })

  it('are limited in number until used, and deleted after a time', async () => {
    const { registrations, database, clients } = server.core
    const count = 'select count(*)::int as count from registered_clients where used_at is null'
    const counted = async () => (await database.query<{ count: number }>(count))[0]?.count ?? 0
    await declare({ mode: 'open', most_unused: (await counted()) + 2, unused_days: 7 })
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => register(metadata)))
    expect(answers.map(({ status }) => status)).to.have.members([201, 201, 503, 503, 503])
    // Reaching the limit is expected, so it is logged as a warning only.
    const warnings = server.logged().match(/"level":"\w+".*"error":"registration_full"/g)
    expect(warnings?.map((line) => line.slice(9, 13))).to.deep.equal(['warn', 'warn', 'warn'])
    const [used, unused] = answers.filter(({ status }) => status === 201).map(informationIn)
    if (!used || !unused) throw new Error('too few')
    tokensIn(await redeem(server, used, await codeFor(server, used)))
    await database.execute(
      `update registered_clients set expires_at = registered_at where client_id = $1 or used_at is null`,
      [unused.client_id],
    )
    expect(await registrations.sweep()).to.be.above(0)
    expect(await counted()).to.equal(0)
    const find = (id: string) => clients.find(defaultTenant, id)
    await eventually(
      'the client is deleted',
      async () => (await find(unused.client_id)) === undefined,
    )
    expect(await find(used.client_id)).not.to.equal(undefined)
    await database.execute(
      'update registered_clients set expires_at = registered_at where client_id = $1',
      [used.client_id],
    )
    await registrations.sweep()
    await eventually(
      'the client is deleted',
      async () => (await find(used.client_id)) === undefined,
    )
  })

  it('can only choose signing algorithms that have keys, so that no keys are created', async () => {
    const { signing } = server.core
    const before = await signing.list(defaultTenant)
    for (const member of ['id_token_signed_response_alg', 'userinfo_signed_response_alg']) {
      const said = expectError(
        await register({ ...metadata, [member]: 'PS256' }),
        400,
        'invalid_client_metadata',
      )
      expect(said).to.equal(`${member}: must be one of ES256, RS256, it is PS256`)
    }
    expect(await signing.list(defaultTenant)).to.have.length(before.length)
  })

  it('get a response whatever characters their metadata contains (P-080)', async () => {
    for (const text of ['a\u0000', 'a\ud800', '\udc00']) {
      const page = await register({ ...metadata, client_name: text })
      expect(informationIn(page)['client_name'], JSON.stringify(text)).to.equal(
        text.replace('\u0000', '\ufffd').toWellFormed(),
      )
    }
    expect((await register({ ...metadata, 'half a name\ud800': 1 })).status).to.equal(400)
    const native = { ...metadata, application_type: 'native', redirect_uris: ['app:/cb'] }
    const said = expectError(await register(native), 400, 'invalid_redirect_uri')
    expect(said, 'RFC 6749 §5.2').to.contain('(RFC 8252 section 7.1)')
  })

  it('get an error id with which an operator finds the reason', async () => {
    const page = await register({ ...metadata, redirect_uris: ['http://app.example.com/cb'] })
    const { error_id: id } = page.json() as { error_id: string }
    const { refusals } = server.core
    await refusals.flush()
    const kept = await refusals.find(id)
    expect(kept).to.include({
      endpoint: 'register',
      check: 'redirect_uri_invalid',
      error: 'invalid_redirect_uri',
    })
    expect(kept?.reason).to.contain('http://app.example.com/cb')
  })

  it('may run in a browser on any origin (CORS)', async () => {
    const headers = { origin: 'https://spa.example', 'access-control-request-method': 'PUT' }
    for (const path of ['/register', '/register/x']) {
      const { status, headers: said } = await send('OPTIONS', path, { headers })
      expect(status).to.equal(204)
      expect(said.get('access-control-allow-origin')).to.equal('*')
      expect(said.get('access-control-allow-headers')).to.contain('Authorization')
      expect(said.get('access-control-allow-credentials')).to.equal(null)
    }
    const refused = await send('GET', '/register/x', { headers })
    expect(refused.headers.get('access-control-allow-origin')).to.equal('*')
  })

  it('may introspect only their own tokens, even if a resource server names them (architecture §7)', async () => {
    const client = informationIn(await register(metadata))
    await server.core.resources.declare(defaultTenant, {
      identifier: 'https://other.example.com',
      scopes: ['read'],
      introspection_clients: [client.client_id],
    })
    const tokens = await tokensFor(server, web, {
      resource: 'https://other.example.com',
      scope: 'read',
      nonce: undefined,
    })
    expect(await introspect(server, client, tokens.access_token)).to.deep.equal({ active: false })
  })

  it('are listed as such; commands create, list and revoke initial access tokens', async () => {
    await declare({ mode: 'token' })
    const tenant = defaultTenant
    const { id, token } = await registrationTokensCreate.execute(server.core, {
      tenant,
      name: 'build',
      uses: 5,
      ttl: 60,
    })
    remember(token)
    const client = informationIn(await register(metadata, token))
    const { tokens } = await registrationTokensList.execute(server.core, { tenant })
    expect(tokens.find((each) => each.id === id)).to.include({ name: 'build', uses_left: 4 })
    await registrationTokensRevoke.execute(server.core, { tenant, id })
    expectError(await register(metadata, token), 401, 'invalid_token')
    const { clients } = await clientsList.execute(server.core, { tenant })
    const by = new Map(clients.map((each) => [each.client_id, each.registered_by]))
    expect(by.get(client.client_id)).to.equal('self')
    expect(by.get('web')).to.equal('operator')
  })
})
