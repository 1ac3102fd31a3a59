import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted, type TestServer } from '../support/boot.ts'
import {
  alice,
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  expectErrorPage,
  expectRefusal,
  expectReturned,
  introspect,
  post,
  redeem,
  refresh,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const inactive = { active: false }

onAnyStorage('disabled and invalid entities', (kind) => {
  const server = booted(kind, {}, furnish, furnishOpaque)
  afterEach(backToPresent)

  it('a disabled account: session, code, refresh, userinfo and introspection stop working (ASVS 7.4.2)', async () => {
    const agent = createUserAgent()
    const ofUserinfo = await tokensFor(server, spa, { scope: 'openid offline_access' }, agent)
    const jwt = await tokensFor(server, web, { scope: 'openid orders:read', resource: api }, agent)
    const handle = await tokensFor(server, web, { scope: 'openid read', resource: opaque }, agent)
    const code = await codeFor(server, web, {}, agent)
    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    if (!account) throw new Error('no account')
    expect(await introspect(server, ordersApi, handle.access_token)).to.include({ active: true })
    await server.core.revocations.setAccountDisabled(account, true)

    expectReturned(await agent.get(authorizeUrl(server, web, { prompt: 'none' })), 'login_required')
    expect((await agent.get(`${server.issuer}/account`)).status).to.equal(303)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    for (const [client, tokens] of [
      [web, jwt],
      [web, handle],
      [spa, ofUserinfo],
    ] as const) {
      expectRefusal(await refresh(server, client, tokens), 400, 'invalid_grant')
    }
    expect((await userinfo(server, ofUserinfo.access_token)).status).to.equal(401)
    for (const { access_token } of [jwt, handle]) {
      for (const caller of [web, ordersApi]) {
        expect(await introspect(server, caller, access_token)).to.deep.equal(inactive)
      }
    }
    expect(await introspect(server, web, jwt.refresh_token)).to.deep.equal(inactive)

    const form = await agent.follow(await agent.get(authorizeUrl(server, web)))
    const { email: username, password } = alice
    const refused = await agent.submit(form, { fields: { username, password } })
    expect(refused.status).to.equal(403)
    const wrong = await agent.submit(form, { fields: { username, password: 'wrong' } })
    expect(refused.root.structuredText).to.equal(wrong.root.structuredText)

    await server.core.revocations.setAccountDisabled(account, false)
    expect((await tokensFor(server, web, {}, createUserAgent())).id_token).to.be.a('string')
  })

  it('a disabled client: none of its tokens works, other clients are not affected (ASVS 7.4.2, P-060)', async () => {
    const agent = createUserAgent()
    const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' }, agent)
    const forApi = await tokensFor(
      server,
      spa,
      { scope: 'openid orders:read', resource: api },
      agent,
    )
    const handle = await tokensFor(server, spa, { scope: 'openid read', resource: opaque }, agent)
    await server.core.revocations.setClientDisabled(defaultTenant, spa.client_id, true)
    expectErrorPage(await agent.get(authorizeUrl(server, spa)))
    expectRefusal(await refresh(server, spa, tokens), 401, 'invalid_client')
    expect((await userinfo(server, tokens.access_token)).status).to.equal(401)
    for (const { access_token } of [forApi, handle]) {
      expect(await introspect(server, ordersApi, access_token)).to.deep.equal(inactive)
    }
    expect((await tokensFor(server, web, {}, agent)).id_token).to.be.a('string')
    travel(2)
    await server.core.revocations.setClientDisabled(defaultTenant, spa.client_id, false)
    expectRefusal(await refresh(server, spa, tokens), 400, 'invalid_grant')
    tokensIn(await refresh(server, spa, await tokensFor(server, spa, {}, createUserAgent())))
  })

  it('a client and a tenant enabled again at once: new tokens are valid, old ones stay void (C5)', async () => {
    const { revocations, tenants } = server.core
    await tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    const acme = { ...server, issuer: `${server.issuer}/t/acme` }
    const give = (where: TestServer) =>
      post(where, '/token', machine, { grant_type: 'client_credentials', resource: api })
    const switches: [TestServer, (disabled: boolean) => Promise<boolean>][] = [
      [
        server,
        (disabled) => revocations.setClientDisabled(defaultTenant, machine.client_id, disabled),
      ],
      [acme, (disabled) => revocations.setTenantDisabled('acme', disabled)],
    ]
    const isActive = async (where: TestServer, token: string) =>
      (await introspect(where, ordersApi, token))['active']
    await Promise.all(
      switches.map(async ([where, set]) => {
        const { access_token: before } = tokensIn(await give(where))
        expect(await set(true)).to.equal(true)
        expect(await set(false)).to.equal(true)
        const { access_token: since } = tokensIn(await give(where))
        expect(await isActive(where, before), `before, ${where.issuer}`).to.equal(false)
        expect(await isActive(where, since), `since, ${where.issuer}`).to.equal(true)
      }),
    )
  })

  it('an invalid client in the database is refused, others work, and the log names the faults (architecture §11)', async () => {
    const broken: [string, unknown][] = [
      [
        'an unknown member',
        { ...machine, client_secret: undefined, client_id: 'broken', colour: 'red' },
      ],
      ['no object', 'text'],
      ['null', null],
      ['a wrong type', { client_id: 'broken', redirect_uris: 'https://app.example.com' }],
      ['a dangerous redirect', { client_id: 'broken', redirect_uris: ['javascript:alert(1)'] }],
    ]
    const { client_secret } = machine
    await server.core.clients.declare(defaultTenant, {
      ...machine,
      client_id: 'broken',
      client_secret,
      scope: 'read',
    })
    const credentials = { client_id: 'broken', client_secret }
    const ask = () =>
      post(server, '/token', credentials, { grant_type: 'client_credentials', resource: opaque })
    const issued = tokensIn(await ask())
    expect(await introspect(server, ordersApi, issued.access_token)).to.include({ active: true })
    for (const [what, metadata] of broken) {
      await server.core.database.execute(
        `update clients set metadata = $3 where tenant_id = $1 and client_id = $2`,
        [defaultTenant, 'broken', JSON.stringify(metadata)],
      )
      travel(2)
      const before = server.logged().length
      expectRefusal(await ask(), 400, 'invalid_client')
      expect(await introspect(server, ordersApi, issued.access_token)).to.deep.equal(inactive)
      const line = server
        .logged()
        .slice(before)
        .split('\n')
        .find((each) => each.includes('stored client is not valid'))
      expect(line, what).to.include('"client_id":"broken"').and.include('"faults"')
      expectErrorPage(await createUserAgent().get(authorizeUrl(server, { client_id: 'broken' })))
      tokensIn(await post(server, '/token', machine, { grant_type: 'client_credentials' }))
    }
    expect((await tokensFor(server, web, {}, createUserAgent())).id_token).to.be.a('string')
  })

  it('a header of 17 KB is refused with 431, and the server keeps running (C18)', async () => {
    for (const path of ['/authorize', '/token', '/.well-known/openid-configuration']) {
      const url = new URL(server.issuer + path)
      const large = await exchange({
        method: 'GET',
        url,
        headers: { 'x-large': 'x'.repeat(17_408) },
      })
      expect(large.status).to.equal(431)
      const longUrl = new URL(`${url.href}?x=${'x'.repeat(17_408)}`)
      expect((await exchange({ method: 'GET', url: longUrl, headers: {} })).status).to.be.oneOf([
        414, 431,
      ])
    }
    const page = await exchange({
      method: 'GET',
      url: new URL(`${server.issuer}/jwks`),
      headers: {},
    })
    expect(page.status).to.equal(200)
  })
})
