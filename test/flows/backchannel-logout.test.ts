import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Account } from '../../src/accounts/account.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { callback, spa, web } from '../support/fixtures.ts'
import { type LogoutReceiver, startLogoutReceiver } from '../support/logout-receiver.ts'
import { authorizeUrl, introspect, redeem, tokensFor } from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { bob, type LogoutScene, logoutScene, shop } from './logout-scene.ts'

onAnyStorage('back-channel log-out (P-070)', (kind) => {
  let booted: TestServer
  let scene: LogoutScene
  let server: TestServer
  let webParty: LogoutReceiver
  let shopParty: LogoutReceiver

  before(async () => {
    booted = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
  })
  beforeEach(async () => {
    scene = await logoutScene(booted)
    ;({ server, webParty, shopParty } = scene)
  })
  afterEach(() => scene?.stop())
  after(() => booted?.stop())

  const logouts = (filter = {}) => scene.logouts(filter)
  const signOut = (agent: UserAgent) => scene.signOut(agent)
  const sidIn = (idToken = '') => decodeJwt(idToken)['sid']

  it('tells every client of the session, in the terms of the specification', async () => {
    const agent = createUserAgent()
    const atWeb = await tokensFor(server, web, {}, agent)
    const atShop = await tokensFor(server, shop, { scope: 'openid offline_access' }, agent)
    await tokensFor(server, spa, {}, agent)
    const { sub } = decodeJwt(atWeb.id_token as string)
    await signOut(agent)

    const [web_, shop_] = [...(await webParty.told(1)), ...(await shopParty.told(1))]
    expect(web_).to.include({ sub, sid: sidIn(atWeb.id_token), aud: 'web', iss: server.issuer })
    expect(shop_).to.include({ sid: sidIn(atShop.id_token), aud: 'shop' })
    expect(shop_, 'it goes by sid').not.to.have.property('sub')
    expect(Object.keys(web_ ?? {})).to.have.members('iss aud iat exp jti sub sid events'.split(' '))
    const header = decodeProtectedHeader(shopParty.received[0]?.token ?? '')
    expect(header).to.include({ alg: 'ES256', typ: 'logout+jwt' }).and.have.property('kid')

    await eventually('both are written down', async () => {
      const states = (await logouts()).map(({ state }) => state)
      return states.length === 2 && states.every((state) => state === 'delivered')
    })
    const events = await scene.audited()
    expect(events.map(({ type, client_id }) => [type, client_id])).to.have.deep.members([
      ['logout.delivered', 'web'],
      ['logout.delivered', 'shop'],
    ])
    expect(events.find(({ client_id }) => client_id === 'web')?.detail).to.deep.equal({
      jti: web_?.jti,
      sid: web_?.['sid'],
      attempts: 1,
    })
    const { jti } = web_ ?? {}
    expect((await logouts({ clientId: 'web' }))[0]).to.include({ id: jti, attempts: 1 })
  })

  it('announces itself in discovery', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
    expect(metadata).to.include({
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    })
  })

  it('cannot pass its token off as an ID token or an access token (ASVS 9.2.2)', async () => {
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    await webParty.told(1)
    const { token } = webParty.received[0] as { token: string }
    const other = createUserAgent()
    await tokensFor(server, web, {}, other)
    const hinted = await other.get(`${server.issuer}/logout?id_token_hint=${token}`)
    expect(hinted.status, 'as a hint').to.equal(400)
    const silent = { prompt: 'none', id_token_hint: token }
    const returned = await other.get(authorizeUrl(server, web, silent))
    expect(returned.location?.searchParams.get('code') ?? null, 'as a hint').to.equal(null)
    expect(await introspect(server, web, token)).to.deep.equal({ active: false })
    const asked = await fetch(`${server.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(asked.status).to.equal(401)
  })

  it('tells the one client that a person signs out of while the session stays', async () => {
    const agent = createUserAgent()
    const { id_token } = await tokensFor(server, web, {}, agent)
    await tokensFor(server, shop, {}, agent)
    const asked = await agent.get(`${server.issuer}/logout?id_token_hint=${id_token}`)
    await agent.submit(asked, { form: '#stay-form' })
    expect((await webParty.told(1))[0]).to.include({ sid: sidIn(id_token) })
    expect((await logouts()).map(({ clientId }) => clientId)).to.deep.equal(['web'])
  })

  it('tells the clients of whoever was signed in when another person signs in', async () => {
    const agent = createUserAgent()
    const { id_token } = await tokensFor(server, web, {}, agent)
    const form = await agent.follow(
      await agent.get(authorizeUrl(server, shop, { prompt: 'login' })),
    )
    const fields = { username: bob.email, password: bob.password }
    let page = await agent.follow(await agent.submit(form, { fields }))
    while (page.location === undefined) page = await agent.follow(await agent.submit(page))
    expect(page.location.searchParams.get('code')).to.be.a('string')
    const { sub } = decodeJwt(id_token as string)
    expect((await webParty.told(1))[0]).to.include({ sub, sid: sidIn(id_token) })
    expect(await logouts()).to.have.length(1)
  })

  for (const [cause, end] of [
    ['log out everywhere', (account: Account) => server.core.revocations.logOutEverywhere(account)],
    ['password changed', (account: Account) => server.core.revocations.passwordChanged(account)],
    [
      'account disabled',
      (account: Account) => server.core.revocations.setAccountDisabled(account, true),
    ],
  ] as const) {
    it(`reaches every session of the account within five seconds: ${cause} (ASVS 7.6.1)`, async () => {
      const [laptop, phone, bobs] = [createUserAgent(), createUserAgent(), createUserAgent()]
      const one = await tokensFor(server, web, {}, laptop)
      const two = await tokensFor(server, web, {}, phone)
      const three = await tokensFor(server, shop, {}, phone)
      await bobs.walk(authorizeUrl(server, web), { username: bob.email, password: bob.password })
      await end(await scene.aliceHerself())
      const sids = (await webParty.told(2)).map((claims) => claims['sid'])
      expect(sids).to.have.members([sidIn(one.id_token), sidIn(two.id_token)])
      const { sub } = decodeJwt(one.id_token as string)
      expect((await shopParty.told(1))[0]).to.include({ sub, sid: sidIn(three.id_token) })
    })
  }

  it('forgets nobody whose request overlaps: who got a code is told', async () => {
    for (let round = 0; round < 8; round++) {
      const before = shopParty.received.length
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      // The consent for shop was given once, so that a request needs no page.
      if (round === 0) await tokensFor(server, shop, {}, agent)
      const asked = await agent.get(`${server.issuer}/logout`)
      const cookie = await agent.jar.getCookieString(server.issuer)
      const [page] = await Promise.all([
        createUserAgent().get(authorizeUrl(server, shop, { prompt: 'none' }), {
          headers: { cookie },
        }),
        agent.submit(asked),
      ])
      const code = page.location?.searchParams.get('code')
      if (!code && round > 0) continue
      await eventually('shop is told', () => shopParty.received.length > before)
      if (code) expect((await redeem(server, shop, code)).status, 'code').to.equal(400)
    }
  })

  it('repeats what was not received, always with the same jti (R-25)', async () => {
    webParty.answerWith((response, attempt) =>
      response.writeHead(attempt === 1 ? 503 : attempt === 2 ? 429 : 204).end(),
    )
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const told = await webParty.told(3)
    expect(new Set(told.map(({ jti }) => jti)).size).to.equal(1)
    const delivered = await eventually('delivered', async () => {
      const [logout] = await logouts({ state: 'delivered' })
      return logout
    })
    expect(delivered).to.include({ attempts: 3 }).and.not.have.property('lastError')
  })

  it('waits for one that is away and tells it when it is back', async () => {
    await webParty.stop()
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const waiting = await eventually('an attempt failed', async () => {
      const [logout] = await logouts({ state: 'waiting' })
      return logout?.lastError !== undefined && logout
    })
    expect(waiting.lastError).to.match(/^connection_failed: .*ECONNREFUSED/)
    await webParty.start()
    await webParty.told(1)
  })

  it('follows no redirect, and goes on when the address is corrected', async () => {
    const canary = await startLogoutReceiver({ issuer: server.issuer, clientId: web.client_id })
    webParty.answerWith((response) => response.writeHead(307, { location: canary.uri }).end())
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const [logout] = await eventually('an attempt failed', async () => {
      const found = await logouts()
      return found[0]?.lastError !== undefined && found
    })
    expect(logout).to.include({ state: 'waiting', lastError: 'answered 307' })
    expect(canary.connections()).to.equal(0)
    await scene.declare({ ...web, backchannel_logout_uri: canary.uri })
    await canary.told(1)
    await canary.stop()
  })

  it('takes 400 for a refusal that is final (§2.8), and says what was said', async () => {
    webParty.answerWith((response) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ error: 'invalid_request', error_description: 'no\u001b[1m sid' }),
      )
    })
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const [failed] = await eventually('given up', async () => {
      const found = await logouts({ state: 'failed' })
      return found.length > 0 && found
    })
    expect(failed).to.include({
      attempts: 1,
      lastError: 'answered 400: invalid_request, no [1m sid',
    })
    expect(await scene.audited()).to.have.nested.property('[0].type', 'logout.failed')
  })

  it('gives up on a client that is gone', async () => {
    await webParty.stop()
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    await eventually('an attempt failed', async () => (await logouts())[0]?.lastError)
    await server.core.revocations.deleteClient(scene.tenant, web.client_id)
    const [failed] = await eventually('given up', async () => {
      const found = await logouts({ state: 'failed' })
      return found.length > 0 && found
    })
    expect(failed?.lastError).to.match(/^the client is deleted or disabled/)
  })

  it('delays no log-out and no other receiver when one is slow (R-21)', async () => {
    shopParty.answerWith(() => undefined)
    const { id: accountId } = await scene.aliceHerself()
    const many = Array.from({ length: 300 }, (_, i) => ({
      accountId,
      clientId: 'shop',
      sid: `sid-${i}`,
    }))
    await server.core.logouts.tell(scene.tenant, many, false)
    await eventually('the slow one is busy', () => shopParty.connections() >= 4)
    for (let round = 1; round <= 5; round++) {
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      await tokensFor(server, shop, {}, agent)
      const asked = await agent.get(`${server.issuer}/logout`)
      const startedAt = performance.now()
      await agent.submit(asked)
      // Milliseconds, for which an attempt waits for an answer.
      expect(performance.now() - startedAt, 'log-out').to.be.below(5000)
      await webParty.told(round)
    }
    expect(shopParty.connections(), 'connections to the slow one').to.be.below(20)
  })
})

describe('the address for log-outs', () => {
  it('is https, or loopback for development, without a fragment (§2.2)', async () => {
    const { clientMetadata } = await import('../../src/clients/client.ts')
    const said = (backchannel_logout_uri: unknown) =>
      clientMetadata
        .safeParse({ client_id: 'x', redirect_uris: [callback], backchannel_logout_uri })
        .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    expect(said('https://rp.example/logout?a=b')).to.equal(undefined)
    for (const uri of [
      'https://rp.example/#a',
      'http://rp.example/',
      'https://user@rp.example/',
      'com.example:/x',
      '/logout',
      '',
      7,
    ]) {
      expect(said(uri)?.join(), String(uri)).to.match(/^backchannel_logout_uri: /)
    }
  })
})
