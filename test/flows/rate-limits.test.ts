import { expect } from 'chai'
import { limits } from '../../src/limits/limits.ts'
import { routes } from '../../src/oidc/routes.ts'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { hashOf } from '../../src/secrets/handle.ts'
import { ask as askAdmin, machineWith, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { askPerson, bank } from '../support/ciba.ts'
import { enterCode, startDevice } from '../support/devices.ts'
import { prover } from '../support/dpop.ts'
import { callback, furnish, machine, ordersApi, spa, tv, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  expectErrorPage,
  expectRefusal,
  type Fields,
  post,
  type StoryClient,
  signIn,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { registrar, selfDeclared } from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const tenant = 'default'

/** The endpoints that authenticate clients. */
const { token, introspection, revocation } = routes
const { pushed_authorization_request, device_authorization, backchannel_authentication } = routes
const withClients = [
  ...[token, introspection, revocation],
  ...[pushed_authorization_request, device_authorization, backchannel_authentication],
]

describe('rate limits', () => {
  const server = booted(
    anyStorage,
    {
      RATE_LIMITS: 'on',
      TRUST_PROXY: '127.0.0.0/8',
    },
    furnish,
  )
  // Buckets refill over time, so the clock stands still.
  beforeEach(() => travel(0))
  afterEach(backToPresent)

  const from = (address: string) => ({ 'x-forwarded-for': address })
  const ask = (client: StoryClient, address: string, path = '/token') =>
    post(server, path, client, { grant_type: 'client_credentials', token: 'x' }, from(address))
  const wrongly = { ...machine, client_secret: 'a guess' }

  /** The limit of `web` in the last browser that signed in. */
  async function limitOfWeb() {
    const [session] = await server.core.database.query<{ uid: string }>(
      'select uid from sessions where account_id is not null order by created_at desc limit 1',
    )
    return { limit: 'authorize_browser', subject: `${session?.uid} ${web.client_id}` } as const
  }

  function expectLimited(page: Page, most = 3600): void {
    expectRefusal(page, 429, 'temporarily_unavailable')
    expect(Number(page.headers.get('retry-after'))).to.be.within(1, most)
  }

  /** The number of stored proofs and assertions. */
  async function keptProofs(): Promise<number> {
    const [row] = await server.core.database.query<{ n: number }>(
      "select count(*)::int n from single_use where kind = 'jti'",
    )
    return row?.n ?? 0
  }

  it('refuse a client after too many failures from a network, at every endpoint, but not from elsewhere (C9)', async () => {
    // This process learns that the bucket is empty from one more failure.
    for (let i = 0; i < 31; i++) {
      const path = withClients[i % withClients.length]
      expectRefusal(await ask(wrongly, '203.0.113.1', path), 401, 'invalid_client')
    }
    for (const path of withClients) {
      expectLimited(await ask(wrongly, '203.0.113.200', path), 600)
    }
    expectLimited(await ask(machine, '203.0.113.1'), 600)
    expect((await ask(machine, '203.0.114.1')).status, 'elsewhere').to.equal(200)
    expect((await ask({ ...machine, ...web }, '203.0.113.1')).status, 'another').not.to.equal(429)
    expect(server.logged()).to.include('"limit":"client_pair"')
  })

  it('refuse no client before its first failure, even if the limits of its network and of all networks are exhausted', async () => {
    const { limiter } = server.core
    const network = '203.0.120.0/24'
    await limiter.note(tenant, { limit: 'client_network', subject: network, cost: 300 })
    await limiter.note(tenant, { limit: 'client_total', subject: machine.client_id, cost: 1000 })
    for (let i = 0; i < 50; i++) {
      expect((await ask(machine, '203.0.120.1')).status, `${i}`).to.equal(200)
    }
    expectRefusal(await ask(wrongly, '203.0.120.1'), 401, 'invalid_client')
    expectLimited(await ask(wrongly, '203.0.120.1'))
    expectLimited(await ask(machine, '203.0.120.1'))
  })

  it('refuse unknown clients after too many failures from a network, but no existing client (C9, C25)', async () => {
    const { limiter, database } = server.core
    const subject = '203.0.125.0/24'
    const madeUp = (name: string) => ask({ ...wrongly, client_id: name }, '203.0.125.1')
    const counted = async () => {
      const [row] = await database.query<{ n: number }>(
        `select coalesce(sum((detail->>'count')::int), 0)::int n from audit_events
         where type = 'client.authentication_failed' and client_id is null`,
      )
      return row?.n
    }
    expectRefusal(await madeUp('nobody-0'), 401, 'invalid_client')
    const { most } = limits.client_network
    await limiter.note(tenant, { limit: 'client_network', subject, cost: most - 1 })
    expectRefusal(await madeUp('nobody-1'), 401, 'invalid_client')
    const before = await counted()
    for (let i = 2; i < 10; i++) expectLimited(await madeUp(`nobody-${i}`), 600)
    expect(await counted()).to.equal(before)
    expect((await ask(machine, '203.0.125.1')).status).to.equal(200)
    expectRefusal(
      await ask({ ...wrongly, client_id: 'nobody-0' }, '203.0.126.1'),
      401,
      'invalid_client',
    )
  })

  it('use the address seen by a trusted proxy, not one that the caller claims (C29)', async () => {
    const claim = (i: number) => `10.${i}.0.1, 203.0.115.9`
    const guessed = { ...ordersApi, client_secret: 'a guess' }
    const statuses: number[] = []
    for (let i = 0; i < 33; i++) statuses.push((await ask(guessed, claim(i))).status)
    expect(statuses.filter((status) => status === 401)).to.have.length(31)
  })

  it('limit the stored sign-ins of a network by size, with an error page (M5, C25)', async () => {
    const visit = (address: string, state: string, agent = createUserAgent()) =>
      agent.get(authorizeUrl(server, web, { state }), { headers: from(address) })
    const { limiter } = server.core
    const { most } = limits.authorize_network
    const kept = { limit: 'authorize_network', subject: '203.0.116.0/24', cost: most - 4 } as const
    await limiter.note(tenant, kept)
    expect((await visit('203.0.116.1', 'small')).status).to.equal(303)
    const large = await visit('203.0.116.1', 'x'.repeat(9000))
    expectErrorPage(large, 429)
    expect(Number(large.headers.get('retry-after'))).to.be.within(1, 600)
    expect(large.body).to.include('Too many attempts')
    for (let i = 0; i < 3; i++) await visit('203.0.116.1', 'small')
    const full = await visit('203.0.116.2', 'small')
    expectErrorPage(full, 429)
    const german = await createUserAgent().get(authorizeUrl(server, web), {
      headers: { ...from('203.0.116.2'), 'accept-language': 'de' },
    })
    expect(german.body).to.include('Zu viele')
    expect((await visit('203.0.117.1', 'small')).status).to.equal(303)
  })

  it('limit a client in a signed-in browser, without affecting other clients', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const share = await limitOfWeb()
    await server.core.limiter.note(tenant, { ...share, cost: 300 })
    expectErrorPage(await agent.get(authorizeUrl(server, web, { prompt: 'login' })), 429)
    expect((await agent.get(authorizeUrl(server, spa, { prompt: 'login' }))).status).to.equal(303)
    expect((await agent.get(authorizeUrl(server, web))).location?.search).to.include('code=')
    const forms = { profile: '#profile-form', factors: 'form[action$="/factors/new"]' }
    const send = async (path: string, form: string) =>
      agent.submit(await agent.get(`${server.issuer}/account/${path}`), { form })
    for (const form of Object.entries(forms)) expect((await send(...form)).status).to.equal(303)
    const [subject = ''] = share.subject.split(' ')
    await server.core.limiter.note(tenant, { limit: 'account_browser', subject, cost: 300 })
    for (const form of Object.entries(forms)) expectErrorPage(await send(...form), 429)
  })

  it('limit large codes of a client, while ordinary ones still work (C25)', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const share = await limitOfWeb()
    const large = authorizeUrl(server, web, { nonce: 'x'.repeat(9000) })
    const small = authorizeUrl(server, web)
    const codeOf = (page: Page) => page.location?.searchParams.get('code')
    await server.core.limiter.note(tenant, { ...share, cost: limits.authorize_browser.most - 6 })
    expect(codeOf(await agent.get(large))).to.be.a('string')
    expectErrorPage(await agent.get(large), 429)
    expect(codeOf(await agent.get(small)), 'a small code costs nothing').to.be.a('string')
  })

  for (const [what, path, client, network, own] of [
    ['pushed requests', '/par', spa, 'push_network', 'push_client'],
    ['device codes', '/device_authorization', tv, 'device_network', 'device_client'],
  ] as const) {
    it(`limit ${what} of public clients per network, and of others per client`, async () => {
      const { limiter, clients } = server.core
      const confidential = {
        ...client,
        client_id: `${client.client_id}-server`,
        client_secret: 'a-secret-of-many-letters-for-this',
        token_endpoint_auth_method: 'client_secret_basic',
      }
      await clients.declare(tenant, confidential)
      const fields = Object.fromEntries(authorizeUrl(server, client).searchParams)
      const push = (as: StoryClient, address: string) =>
        post(
          server,
          path,
          as,
          path === '/par' ? { ...fields, client_id: as.client_id } : {},
          from(address),
        )
      const subject = '203.0.119.0/24'
      await limiter.note(tenant, { limit: network, subject, cost: limits[network].most })
      expectLimited(await push(client, '203.0.119.1'), 600)
      expect((await push(client, '203.0.121.1')).status).to.be.within(200, 201)
      expect((await push(confidential, '203.0.119.1')).status).to.be.within(200, 201)
      const its = { limit: own, subject: confidential.client_id, cost: limits[own].most }
      await limiter.note(tenant, its)
      expectLimited(await push(confidential, '203.0.121.1'), 600)
    })
  }

  it('limit the stored proofs of pushed requests, valid or not (C25, C26)', async () => {
    const { limiter, clients } = server.core
    const prove = await prover(server)
    const push = async (as: StoryClient, fields: Fields = {}) => {
      const asked = Object.fromEntries(authorizeUrl(server, as).searchParams)
      const headers = { ...from('203.0.127.1'), dpop: await prove(undefined, undefined, '/par') }
      return post(server, '/par', as, { ...asked, ...fields }, headers)
    }
    const before = await keptProofs()
    const subject = '203.0.127.0/24'
    const { most } = limits.push_network
    await limiter.note(tenant, { limit: 'push_network', subject, cost: most - 4 })
    expect((await push(spa)).status).to.equal(201)
    const other = { dpop_jkt: 'a'.repeat(43) }
    for (let i = 0; i < 2; i++) expectRefusal(await push(spa, other), 400, 'invalid_request')
    for (let i = 0; i < 5; i++) expectLimited(await push(spa, other), 600)
    expect(await keptProofs()).to.equal(before + 3)

    const confidential = { ...web, client_id: 'web-that-pushes' }
    await clients.declare(tenant, confidential)
    expect((await push(confidential)).status).to.equal(201)
    const its = { limit: 'push_client', subject: confidential.client_id } as const
    await limiter.note(tenant, { ...its, cost: limits.push_client.most })
    for (let i = 0; i < 5; i++) expectLimited(await push(confidential), 600)
    // This process may learn that nothing is left only from the first refusal.
    expect(await keptProofs()).to.be.within(before + 4, before + 5)
  })

  it("limit the stored proofs for one token, at userinfo, at the server's own APIs and for refreshes; proofs with other keys cost the holder nothing (C25)", async () => {
    const prove = await prover(server)
    const code = await codeFor(server, spa, { scope: 'openid offline_access' })
    const redeemed = { grant_type: 'authorization_code', code, redirect_uri: callback }
    const withKey = async (fields: Fields, by: typeof prove) =>
      post(server, '/token', spa, fields, { dpop: await by() })
    const tokens = tokensIn(await withKey({ ...redeemed, code_verifier: verifier }, prove))
    const asked = { grant_type: 'client_credentials', resource: `${server.issuer}/ssf` }
    const headers = { dpop: await prove() }
    const listening = tokensIn(await post(server, '/token', ordersApi, asked, headers))
    const get = async (path: string, held: string, by: typeof prove) => {
      const url = new URL(server.issuer + path)
      const dpop = await by(undefined, held, path)
      return exchange({ method: 'GET', url, headers: { authorization: `DPoP ${held}`, dpop } })
    }
    const { refresh_token = '' } = tokens
    const refreshing = { grant_type: 'refresh_token', refresh_token }
    const stranger = await prover(server)
    const uses: Array<[string, number, (by: typeof prove) => Promise<Page>]> = [
      [tokens.access_token, 401, (by) => get('/userinfo', tokens.access_token, by)],
      [listening.access_token, 401, (by) => get('/ssf/streams', listening.access_token, by)],
      [refresh_token, 400, (by) => withKey(refreshing, by)],
    ]
    for (const [holding, refused, use] of uses) {
      expect((await use(prove)).status).to.equal(200)
      const limit = { limit: 'proof_holder', subject: hashOf(holding) } as const
      await server.core.limiter.note(tenant, { ...limit, cost: limits.proof_holder.most - 2 })
      const before = await keptProofs()
      for (let i = 0; i < 3; i++) expect((await use(stranger)).status).to.equal(refused)
      expect((await use(prove)).status, 'the holder').to.equal(200)
      for (let i = 0; i < 3; i++) expect((await use(prove)).status).to.equal(429)
      expect(await keptProofs()).to.equal(before + 1)
    }
  })

  it('limit device codes by size as well (C25)', async () => {
    const subject = '203.0.124.0/24'
    const { most } = limits.device_network
    await server.core.limiter.note(tenant, { limit: 'device_network', subject, cost: most - 4 })
    const start = (claims: object) =>
      post(
        server,
        '/device_authorization',
        tv,
        { scope: 'openid', claims: JSON.stringify(claims) },
        from('203.0.124.1'),
      )
    const large = { id_token: { email: { value: 'x'.repeat(9000) } } }
    expect((await start({ id_token: { email: null } })).status).to.equal(200)
    expectLimited(await start(large), 600)
  })

  it('limit the sign-ins started with one device code by size, with an error page (M5, C25)', async () => {
    const claims = JSON.stringify({ id_token: { email: { value: 'x'.repeat(9000) } } })
    const { user_code } = await startDevice(server, { scope: 'openid', claims })
    const agent = createUserAgent()
    const confirm = await enterCode(server, agent, user_code)
    // The address of the user agent.
    const kept = { limit: 'authorize_network', subject: '127.0.0.0/24' } as const
    const { most } = limits.authorize_network
    await server.core.limiter.note(tenant, { ...kept, cost: most - 12 })
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push((await agent.submit(confirm)).status)
    expect(statuses).to.deep.equal([303, 303, 429, 429, 429])
    expectErrorPage(await agent.submit(confirm), 429)
    await server.core.limiter.giveBack(tenant, { ...kept, cost: most })
    expect((await agent.submit(confirm)).status, 'after the limit is reset').to.equal(303)
  })

  it('limit backchannel requests per client, for any user', async () => {
    await server.core.clients.declare(tenant, bank)
    expect((await askPerson(server)).status).to.equal(200)
    const { most } = limits.backchannel_client
    const its = { limit: 'backchannel_client', subject: bank.client_id, cost: most } as const
    await server.core.limiter.note(tenant, its)
    expectLimited(await askPerson(server), 600)
  })

  it('limit wrong tokens at the admin API per network, and right ones per caller (C9)', async () => {
    const client = await machineWith(server, 'owner')
    const right = await tokenOf(server, client)
    const list = (address: string, bearer?: string) =>
      askAdmin(server, 'GET', '/tenants', { token: bearer, headers: from(address) })
    const subject = '203.0.122.0/24'
    const { most } = limits.admin_network
    await server.core.limiter.note(tenant, { limit: 'admin_network', subject, cost: most })
    for (const bearer of [undefined, 'nonsense']) {
      const page = await list('203.0.122.1', bearer)
      expect(page.json()).to.include({ status: 429, code: 'too_many_requests' })
      expect((await list('203.0.123.1', bearer)).status).to.equal(401)
    }
    expect((await list('203.0.122.1', right)).status).to.equal(200)
    const its = { clientId: client.client_id }
    await server.core.limiter.note(tenant, {
      limit: 'admin_caller',
      subject: JSON.stringify(its),
      cost: limits.admin_caller.most,
    })
    const page = await list('203.0.122.1', right)
    expect(page.status).to.equal(429)
    expect(Number(page.headers.get('retry-after'))).to.be.within(1, 600)
  })

  it('do not apply to public documents', async () => {
    for (const path of ['/jwks', '/.well-known/openid-configuration']) {
      const url = new URL(server.issuer + path)
      const headers = from('203.0.116.2')
      expect((await exchange({ method: 'GET', url, headers })).status).to.equal(200)
    }
  })

  it('limit registrations per network and in total, except with an initial access token', async () => {
    const { registrationPolicies, registrations, limiter } = server.core
    await registrationPolicies.declare(tenant, registrationPolicy.parse({ mode: 'open' }))
    // The cached policy expires.
    travel(1)
    const { send } = registrar(() => server)
    const register = (address: string, bearer?: string) =>
      send('POST', '/register', {
        body: selfDeclared,
        headers: from(address),
        ...(bearer === undefined ? {} : { token: bearer }),
      })
    for (const statement of [
      `create function fail() returns trigger language plpgsql as $$ begin raise disk_full; end $$`,
      'create trigger t before insert on registered_clients for each row execute function fail()',
    ])
      await server.core.database.execute(statement)
    expect((await register('203.0.140.250')).status, 'costs nothing').to.equal(503)
    await server.core.database.execute('drop function fail cascade')
    for (let i = 0; i < limits.registration_network.most; i++) {
      const { status } = await register(`203.0.140.${i}`)
      expect(status).to.equal(201)
    }
    expectLimited(await register('203.0.140.250'))
    expect((await register('203.0.141.1')).status).to.equal(201)
    const { most } = limits.registration_tenant
    await limiter.note(tenant, { limit: 'registration_tenant', subject: 'all', cost: most })
    expectLimited(await register('203.0.142.1'))
    const initial = await registrations.initialTokens.create(tenant, { uses: 1 })
    remember(initial.token)
    expect((await register('203.0.140.250', initial.token)).status).to.equal(201)
  })
})
