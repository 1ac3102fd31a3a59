import { expect } from 'chai'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, callback, furnish } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, codeFor, redeem, tokensIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

type Policy = Parameters<typeof registrationPolicy.parse>[0]

interface Information {
  client_id: string
  client_secret?: string
  client_secret_expires_at?: number
  client_id_issued_at: number
  registration_client_uri: string
  registration_access_token: string
  redirect_uris: string[]
  [member: string]: unknown
}

const metadata = {
  client_name: 'A tool',
  redirect_uris: [callback],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_basic',
}

describe('clients that register themselves', () => {
  let server: TestServer

  before(async () => {
    server = await boot('embedded')
    await furnish(server)
  })
  beforeEach(() => declare({ mode: 'open' }))
  after(() => server?.stop())

  async function declare(policy: Policy): Promise<void> {
    const { registrationPolicies: policies } = server.core
    await policies.declare(defaultTenant, registrationPolicy.parse(policy))
  }

  function send(
    method: string,
    url: string,
    {
      body,
      token,
      headers,
    }: { body?: unknown; token?: string; headers?: Record<string, string> } = {},
  ): Promise<Page> {
    return exchange({
      method,
      url: new URL(url, server.issuer),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  const register = (body: unknown, token?: string) =>
    send('POST', '/register', { body, ...(token === undefined ? {} : { token }) })

  function informationIn(page: Page): Information {
    expect(page.status, page.body).to.be.oneOf([200, 201])
    const information = page.json() as Information
    remember(information.registration_access_token)
    if (information.client_secret) remember(information.client_secret)
    return information
  }

  function expectError(page: Page, status: number, error: string): string {
    expect(page.status, page.body).to.equal(status)
    const body = page.json() as { error: string; error_description: string; error_id: string }
    expect(body.error).to.equal(error)
    expect(body.error_id).to.be.a('string')
    return body.error_description
  }

  it('cannot where registration is off, and discovery does not say that they could (RFC 8414 §2)', async () => {
    const advertised = async () => {
      const page = await send('GET', '/.well-known/openid-configuration')
      return (page.json() as { registration_endpoint?: string }).registration_endpoint
    }
    await eventually('advertised', async () => (await advertised()) === `${server.issuer}/register`)
    await declare({ mode: 'off' })
    expectError(await register(metadata), 404, 'invalid_request')
    await eventually('not advertised', async () => (await advertised()) === undefined)
  })

  it('get an id, a secret and a token of their own, and sign people in (RFC 7591 §3.2.1)', async () => {
    const answer = await register({ ...metadata, unheard_of: 1 })
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

  it('need an initial access token where the policy says so, as often as it may be used (RFC 7591 §3)', async () => {
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

  it('cannot set what only operators may (P-080, security class C16)', async () => {
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

  it('reach only resource servers that are open (architecture §7)', async () => {
    const client = informationIn(await register(metadata))
    const url = authorizeUrl(server, client, {
      resource: api,
      scope: 'orders:read',
      nonce: undefined,
    })
    // Nobody vouches for its redirect URI: the error is shown to the person, not sent there (ADR 0013).
    const shown = await createUserAgent().get(url)
    expect(shown.location).to.equal(undefined)
    expect(shown.body).to.contain('Nobody has checked who that is').and.to.contain('invalid_target')
    const silent = await createUserAgent().get(`${url.href}&prompt=none`)
    expect(silent.location?.searchParams.get('error')).to.equal('invalid_target')
  })

  it('manage themselves with their own token alone, which every change replaces (P-081, RFC 7592 §2, §3)', async () => {
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

  it('delete themselves with everything they ever got (RFC 7592 §2.3)', async () => {
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
})
