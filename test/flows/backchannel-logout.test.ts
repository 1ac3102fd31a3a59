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

  it('notifies every client of the session with a valid logout token', async () => {
    const agent = createUserAgent()
    const atWeb = await tokensFor(server, web, {}, agent)
    const atShop = await tokensFor(server, shop, { scope: 'openid offline_access' }, agent)
    await tokensFor(server, spa, {}, agent)
    const { sub } = decodeJwt(atWeb.id_token as string)
    await signOut(agent)

    const [web_, shop_] = [
      ...(await webParty.waitForTokens(1)),
      ...(await shopParty.waitForTokens(1)),
    ]
    expect(web_).to.include({ sub, sid: sidIn(atWeb.id_token), aud: 'web', iss: server.issuer })
    expect(shop_).to.include({ sid: sidIn(atShop.id_token), aud: 'shop' })
    expect(shop_, 'this client gets sid only').not.to.have.property('sub')
    expect(Object.keys(web_ ?? {})).to.have.members('iss aud iat exp jti sub sid events'.split(' '))
    const header = decodeProtectedHeader(shopParty.received[0]?.token ?? '')
    expect(header).to.include({ alg: 'ES256', typ: 'logout+jwt' }).and.have.property('kid')

    await eventually('both deliveries are recorded', async () => {
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

  it('is advertised in discovery', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
    expect(metadata).to.include({
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    })
  })

  it('sends a token that is accepted neither as an ID token nor as an access token (ASVS 9.2.2)', async () => {
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    await webParty.waitForTokens(1)
    const { token } = webParty.received[0] as { token: string }
    const other = createUserAgent()
    await tokensFor(server, web, {}, other)
    const hinted = await other.get(`${server.issuer}/logout?id_token_hint=${token}`)
    expect(hinted.status, 'as id_token_hint').to.equal(400)
    const silent = { prompt: 'none', id_token_hint: token }
    const returned = await other.get(authorizeUrl(server, web, silent))
    expect(returned.location?.searchParams.get('code') ?? null, 'as id_token_hint').to.equal(null)
    expect(await introspect(server, web, token)).to.deep.equal({ active: false })
    const asked = await fetch(`${server.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(asked.status).to.equal(401)
  })

  it('notifies only the one client when a user signs out of it and the session continues', async () => {
    const agent = createUserAgent()
    const { id_token } = await tokensFor(server, web, {}, agent)
    await tokensFor(server, shop, {}, agent)
    const asked = await agent.get(`${server.issuer}/logout?id_token_hint=${id_token}`)
    await agent.submit(asked, { form: '#stay-form' })
    expect((await webParty.waitForTokens(1))[0]).to.include({ sid: sidIn(id_token) })
    expect((await logouts()).map(({ clientId }) => clientId)).to.deep.equal(['web'])
  })

  it('notifies the clients of the previous user when another user signs in', async () => {
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
    expect((await webParty.waitForTokens(1))[0]).to.include({ sub, sid: sidIn(id_token) })
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
      await end(await scene.accountOfAlice())
      const sids = (await webParty.waitForTokens(2)).map((claims) => claims['sid'])
      expect(sids).to.have.members([sidIn(one.id_token), sidIn(two.id_token)])
      const { sub } = decodeJwt(one.id_token as string)
      expect((await shopParty.waitForTokens(1))[0]).to.include({ sub, sid: sidIn(three.id_token) })
    })
  }

  it('notifies a client that got a code while the log-out was running', async () => {
    for (let round = 0; round < 8; round++) {
      const before = shopParty.received.length
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      // Consent for shop is given in the first round, so that later requests need no page.
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
      await eventually('shop is notified', () => shopParty.received.length > before)
      if (code) expect((await redeem(server, shop, code)).status, 'code').to.equal(400)
    }
  })

  it('retries until the token is received, always with the same jti (R-25)', async () => {
    webParty.answerWith((response, attempt) =>
      response.writeHead(attempt === 1 ? 503 : attempt === 2 ? 429 : 204).end(),
    )
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const told = await webParty.waitForTokens(3)
    expect(new Set(told.map(({ jti }) => jti)).size).to.equal(1)
    const delivered = await eventually('the logout token is delivered', async () => {
      const [logout] = await logouts({ state: 'delivered' })
      return logout
    })
    expect(delivered).to.include({ attempts: 3 }).and.not.have.property('lastError')
  })

  it('retries while a client is unreachable and delivers once it is back', async () => {
    await webParty.stop()
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const waiting = await eventually('an attempt has failed', async () => {
      const [logout] = await logouts({ state: 'waiting' })
      return logout?.lastError !== undefined && logout
    })
    expect(waiting.lastError).to.match(/^connection_failed: .*ECONNREFUSED/)
    await webParty.start()
    await webParty.waitForTokens(1)
  })

  it('follows no redirect, and delivers after the address is corrected', async () => {
    const canary = await startLogoutReceiver({ issuer: server.issuer, clientId: web.client_id })
    webParty.answerWith((response) => response.writeHead(307, { location: canary.uri }).end())
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const [logout] = await eventually('an attempt has failed', async () => {
      const found = await logouts()
      return found[0]?.lastError !== undefined && found
    })
    expect(logout).to.include({ state: 'waiting', lastError: 'answered 307' })
    expect(canary.connections()).to.equal(0)
    await scene.declare({ ...web, backchannel_logout_uri: canary.uri })
    await canary.waitForTokens(1)
    await canary.stop()
  })

  it('treats 400 as final (§2.8), and records the error of the response', async () => {
    webParty.answerWith((response) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ error: 'invalid_request', error_description: 'no\u001b[1m sid' }),
      )
    })
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    const [failed] = await eventually('the delivery is given up', async () => {
      const found = await logouts({ state: 'failed' })
      return found.length > 0 && found
    })
    expect(failed).to.include({
      attempts: 1,
      lastError: 'answered 400: invalid_request, no [1m sid',
    })
    expect(await scene.audited()).to.have.nested.property('[0].type', 'logout.failed')
  })

  it('gives up when the client is deleted', async () => {
    await webParty.stop()
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    await signOut(agent)
    await eventually('an attempt has failed', async () => (await logouts())[0]?.lastError)
    await server.core.revocations.deleteClient(scene.tenant, web.client_id)
    const [failed] = await eventually('the delivery is given up', async () => {
      const found = await logouts({ state: 'failed' })
      return found.length > 0 && found
    })
    expect(failed?.lastError).to.match(/^the client was deleted or disabled/)
  })

  it('is not delayed by a slow receiver, nor are the other receivers (R-21)', async () => {
    shopParty.answerWith(() => undefined)
    const { id: accountId } = await scene.accountOfAlice()
    const many = Array.from({ length: 300 }, (_, i) => ({
      accountId,
      clientId: 'shop',
      sid: `sid-${i}`,
    }))
    await server.core.logouts.tell(scene.tenant, many, false)
    await eventually('the slow receiver is busy', () => shopParty.connections() >= 4)
    for (let round = 1; round <= 5; round++) {
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      await tokensFor(server, shop, {}, agent)
      const asked = await agent.get(`${server.issuer}/logout`)
      const startedAt = performance.now()
      await agent.submit(asked)
      // In milliseconds: the timeout of one attempt.
      expect(performance.now() - startedAt, 'log-out').to.be.below(5000)
      await webParty.waitForTokens(round)
    }
    expect(shopParty.connections(), 'connections to the slow receiver').to.be.below(20)
  })
})

describe('backchannel_logout_uri', () => {
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
