import { expect } from 'chai'
import { explain } from '../../src/cli/explain.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, furnish, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  encode,
  expectErrorPage,
  type Fields,
  post,
  signIn,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('explain --authorize', (kind) => {
  const server = booted(kind, {}, furnish)
  before(async () => {
    const fapi = { ...web, client_id: 'pushes', require_pushed_authorization_requests: true }
    await server.core.clients.declare('default', fapi)
    const tenant = { id: 'acme', name: 'Acme' }
    await server.core.tenants.declare(tenant)
    await furnish(server, tenant.id)
  })

  async function rehearse(address: URL | string) {
    const result = await explain.execute(server.core, { authorize: String(address) })
    if (!('faults' in result)) throw new Error('not a dry run')
    return {
      ...result,
      checks: result.faults.map(({ check }) => check),
      text: explain.render(result),
    }
  }
  const url = (fields: Fields, client = web) => authorizeUrl(server, client, fields)

  /** Every row of each table, except the served periods, which the server writes in the background. */
  async function everything(): Promise<Record<string, unknown>> {
    const { database } = server.core
    const tables = await database.query<{ name: string }>(
      `select table_name as name from information_schema.tables
       where table_schema = 'public' and table_name <> 'served_periods'`,
    )
    const rows: Record<string, unknown> = {}
    for (const { name } of tables)
      rows[name] = await database.query(`select to_jsonb(t) as row from ${name} t order by 1`)
    return rows
  }

  it('finds no fault in a request that leads to a code', async () => {
    for (const fields of [{}, { scope: 'openid orders:read', resource: api }, { prompt: 'none' }]) {
      const { faults, complete, text } = await rehearse(url(fields))
      expect({ faults, complete }).to.deep.equal({ faults: [], complete: true })
      expect(text).to.match(/^Nothing is wrong/)
    }
  })

  it('lists scopes without effect, and the resource server that has them', async () => {
    const { faults, text } = await rehearse(url({ scope: 'openid orders:read thinks' }))
    expect(faults).to.deep.equal([])
    expect(text.split('\n').slice(1)).to.deep.equal([
      `The scope orders:read is left out: send resource=${api} for it.`,
      'The scope thinks is left out: no resource server has it.',
    ])
    const named = await rehearse(url({ scope: 'openid orders:read', resource: api }))
    expect(named.left_out).to.deep.equal([])
  })

  it('hints at what a valid request will lack in its response', async () => {
    const once = { ...web, client_id: 'once', grant_types: ['authorization_code'] }
    await server.core.clients.declare('default', once)
    const hints = async (fields: Fields, client = web) => {
      const { faults, hints: said, text } = await rehearse(url(fields, client))
      expect(faults).to.deep.equal([])
      for (const hint of said) expect(text).to.include(`\n${hint}`)
      return said
    }
    expect(await hints({ scope: 'openid email offline_access', resource: api })).to.deep.equal([])
    const [renewed = ''] = await hints({ scope: 'openid offline_access' }, once)
    expect(renewed).to.match(/add refresh_token to grant_types/)
    const [named = ''] = await hints({ scope: 'email', nonce: undefined })
    expect(named).to.match(/add openid/)
    const [meant = ''] = await hints({ audience: api })
    expect(meant).to.match(/send resource/)
    const fields = Object.fromEntries(url({ scope: 'openid email' }).searchParams)
    const { request_uri } = (await post(server, '/par', web, fields)).json() as {
      request_uri: string
    }
    const address = encode({ client_id: 'web', request_uri, scope: 'email offline_access' })
    const pushed = await rehearse(`${server.issuer}/authorize?${address}`)
    expect(pushed.hints, 'hints for the pushed parameters').to.deep.equal([])
  })

  it('reads scopes from a pushed request like the engine, and lists none if no scope exists', async () => {
    const scope = 'openid orders:read'
    const pushed = async (resource?: string) => {
      const fields = Object.fromEntries(url({ scope, resource }).searchParams)
      const page = await post(server, '/par', web, fields)
      const { request_uri } = page.json() as { request_uri: string }
      const named = encode({ client_id: 'web', request_uri, scope: 'openid thinks' })
      return (await rehearse(`${server.issuer}/authorize?${named}`)).left_out
    }
    expect(await pushed()).to.deep.equal([{ scope: 'orders:read', of: [api] }])
    expect(await pushed(api)).to.deep.equal([])
    const none = await rehearse(url({ scope: 'thinks', nonce: undefined }))
    expect(none.checks).to.include('scope_known')
    expect(none.left_out).to.deep.equal([])
    const wrong = { redirect_uri: 'https://evil.example.com', claims: '{' }
    const faulty = await rehearse(url({ scope, ...wrong }))
    expect(faulty.left_out).to.deep.equal([{ scope: 'orders:read', of: [api] }])
  })

  it('reports every fault at once, with the expected and the actual value', async () => {
    const { checks, complete, text } = await rehearse(
      url({
        redirect_uri: 'https://app.example.com/cb',
        response_type: 'token',
        response_mode: 'pigeon',
        scope: 'orders:read',
        prompt: 'nicely',
        code_challenge_method: 'plain',
        claims: '{',
        max_age: 'old',
        resource: ['https://nowhere.example.com'],
        id_token_hint: 'x.y.z',
        dpop_jkt: 'x',
      }),
    )
    expect(checks).to.have.members([
      'redirect_uri_registered',
      'response_type_supported',
      'response_mode_supported',
      'openid_requested',
      'prompt_supported',
      'pkce_method',
      'claims_parameter',
      'max_age_number',
      'resource_known',
      'id_token_hint_valid',
      'dpop_jkt_format',
    ])
    expect(complete).to.equal(true)
    expect(text).to.match(/^11 faults in this request of web in tenant default\./)
    expect(text).to.match(/expected +http:\/\/localhost:9\/callback\nreceived +https:\/\/app/)
    expect(text).to.match(/expected +S256\nreceived +plain/)
  })

  it('says when a fault hides others, and ignores requirements that a URL cannot meet', async () => {
    const unknown = await rehearse(url({ client_id: 'webb', response_type: 'token' }))
    expect(unknown.checks).to.deep.equal(['client_known'])
    expect(unknown.text).to.match(/were not reached/)
    const plain = { code_challenge_method: 'plain' }
    const pushes = await rehearse(url({ client_id: 'pushes', ...plain }))
    expect(pushes.checks).to.deep.equal(['request_pushed', 'pkce_method'])
  })

  it('determines the issuer from the URL', async () => {
    const { search } = url({})
    const acme = await rehearse(`${server.issuer}/t/acme/authorize${search}`)
    expect(acme).to.deep.include({ tenant: 'acme', faults: [] })
    for (const wrong of [
      `${server.issuer}/oauth/authorize`,
      'https://login.example.com/authorize',
    ]) {
      const { faults, checks } = await rehearse(wrong + search)
      expect(checks).to.deep.equal(['authorize_address'])
      expect(faults[0]).to.deep.include({
        expected: `${server.issuer}/authorize`,
        received: wrong,
      })
    }
    const none = await rehearse(`${server.issuer}/t/nobody/authorize${search}`)
    expect(none.checks).to.deep.equal(['tenant_known'])
  })

  it('processes no more than the server accepts (C18)', async () => {
    const tooLong = await rehearse(url({ scope: `openid ${'x'.repeat(1_000_000)}` }))
    expect(tooLong.checks).to.deep.equal(['authorize_address'])
    expect(tooLong.text)
      .to.match(/expected +at most 16384 bytes/)
      .and.match(/received +1000\d{3} b/)
    const parameters = (count: number) => url({}).href + '&more=1'.repeat(count)
    const tooMany = await rehearse(parameters(1000))
    expect(tooMany.checks).to.deep.equal(['too_many_parameters'])
    const answered = await createUserAgent().get(parameters(1000))
    expect(answered.status).to.equal(400)
  })

  it('changes nothing, and does not use up a pushed request', async () => {
    const { search } = url({})
    const pushed = await post(server, '/par', web, Object.fromEntries(new URLSearchParams(search)))
    const { request_uri } = pushed.json() as { request_uri: string }
    const address = `${server.issuer}/authorize?${encode({ client_id: 'web', request_uri })}`
    await server.core.refusals.flush()
    // Runs what the server does in the background a moment after an event.
    await server.core.audit.sealEvents(true)
    const before = await everything()
    expect((await rehearse(address)).faults).to.deep.equal([])
    expect(
      (await rehearse(url({ redirect_uri: 'https://evil.example.com' }))).checks,
    ).to.deep.equal(['redirect_uri_registered'])
    await server.core.refusals.flush()
    expect(await everything()).to.deep.equal(before)
    const agent = createUserAgent()
    const returned = await agent.walk(address, { username: alice.email, password: alice.password })
    expect(returned.searchParams.get('code')).to.be.a('string')
  })

  it('agrees with the server for requests of every kind', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const requests: Fields[] = [
      {},
      { scope: undefined, nonce: undefined },
      { scope: 'openid nothing' },
      { response_mode: 'fragment' },
      { response_mode: 'form_post' },
      { display: 'touch', ui_locales: 'de' },
      { code_challenge: undefined, code_challenge_method: undefined },
      { redirect_uri: undefined },
      { acr_values: 'moon' },
      { claims: '{"id_token":{"acr":{"essential":true,"value":"moon"}}}' },
      { max_age: '-1' },
      { state: ['a', 'b'] },
      { resource: 'urn:nothing' },
    ]
    for (const fields of requests) {
      const { faults } = await rehearse(url(fields))
      const page = await agent.get(url(fields))
      const refused = page.status >= 400 || /[?&#]error=/.test(page.location?.href ?? '')
      expect(faults.length > 0, JSON.stringify({ fields, faults })).to.equal(refused)
    }
    expectErrorPage(await agent.get(url({ redirect_uri: 'https://evil.example.com' })))
  })
})
