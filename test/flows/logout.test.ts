import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, furnish, ordersApi, spa, web } from '../support/fixtures.ts'
import { forgeries } from '../support/forgeries.ts'
import {
  authorizeUrl,
  encode,
  expectErrorPage,
  expectRefusal,
  expectReturned,
  type Fields,
  introspect,
  refresh,
  tokensFor,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, elsewhere, type UserAgent } from '../support/user-agent.ts'

const signedOut = 'http://localhost:9/signed-out'
const brief = { ...spa, client_id: 'brief', grant_types: ['authorization_code'] }
const bound = { scope: 'openid orders:read', resource: api }

onAnyStorage('log-out', (kind) => {
  const server = booted(kind, {}, furnish)
  let agent: UserAgent
  before(() => server.core.clients.declare(defaultTenant, brief))
  beforeEach(() => {
    agent = createUserAgent()
  })
  afterEach(backToPresent)

  const logout = (fields: Fields = {}, browser = agent) =>
    browser.get(`${server.issuer}/logout?${encode(fields)}`)
  const isSignedIn = async (browser = agent) => {
    const page = await browser.get(authorizeUrl(server, web, { prompt: 'none' }))
    return page.location?.searchParams.get('error') !== 'login_required'
  }

  it('may be requested by cross-site POST as well (RP-Initiated Logout §2, P-069)', async () => {
    const { id_token } = await tokensFor(server, web, bound, agent)
    const fields = new URLSearchParams({
      id_token_hint: id_token ?? '',
      post_logout_redirect_uri: signedOut,
      state: 'a state & more',
    })
    const posted = await agent.post(`${server.issuer}/logout`, fields, { from: elsewhere })
    const page = await agent.follow(await agent.submit(await agent.follow(posted)))
    expect(page.location?.href).to.equal(`${signedOut}?state=a+state+%26+more`)
    expect(await isSignedIn()).to.equal(false)
  })

  it('asks first, ends the session, and redirects with the state (P-069, ASVS 7.4.1)', async () => {
    const tokens = await tokensFor(server, web, bound, agent)
    const cookies = await agent.jar.getCookieString(server.issuer)
    const asked = await logout({
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: signedOut,
      state: 'a state & more',
    })
    expect(asked.status).to.equal(200)
    expect(await isSignedIn(), 'the session lasts until the user confirms').to.equal(true)

    const page = await agent.follow(await agent.submit(asked))
    expect(page.location?.origin).to.equal(new URL(signedOut).origin)
    expect(page.location?.pathname).to.equal('/signed-out')
    expect([...(page.location?.searchParams ?? [])]).to.deep.equal([['state', 'a state & more']])
    expect(await isSignedIn()).to.equal(false)

    const replayed = await createUserAgent().get(authorizeUrl(server, web, { prompt: 'none' }), {
      headers: { cookie: cookies },
    })
    expectReturned(replayed, 'login_required')
    const account = await createUserAgent().get(`${server.issuer}/account`, {
      headers: { cookie: cookies },
    })
    expect(account.status).to.equal(303)
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      expect(await introspect(server, web, token)).to.deep.equal({ active: false })
    }
    expect(await introspect(server, ordersApi, tokens.access_token)).to.deep.equal({
      active: false,
    })
  })

  it('ends the access token of a client without refresh tokens (ASVS 7.4.1, 10.4.9)', async () => {
    const { access_token } = await tokensFor(server, brief, bound, agent)
    expect(await introspect(server, ordersApi, access_token)).to.include({ active: true })
    await agent.submit(await logout())
    expect(await introspect(server, ordersApi, access_token)).to.deep.equal({ active: false })
  })

  for (const order of ['before', 'after']) {
    it(`ends it even if the client also got a token without openid, ${order} it (ASVS 7.4.1)`, async () => {
      const other = () =>
        tokensFor(server, brief, { scope: 'orders:read', resource: api, nonce: undefined }, agent)
      if (order === 'before') await other()
      const { access_token } = await tokensFor(server, brief, bound, agent)
      if (order === 'after') await other()
      expect(await introspect(server, ordersApi, access_token)).to.include({ active: true })
      await agent.submit(await logout())
      expect(await introspect(server, ordersApi, access_token)).to.deep.equal({ active: false })
    })
  }

  it('can be declined by the user: the session continues (ASVS 10.6.2)', async () => {
    const { id_token } = await tokensFor(server, web, {}, agent)
    const asked = await logout({ id_token_hint: id_token })
    await agent.submit(asked, { form: '#stay-form' })
    const other = await agent.get(authorizeUrl(server, spa, { prompt: 'none' }))
    expect(other.location?.searchParams.get('error')).not.to.equal('login_required')
  })

  it('without a hint asks for confirmation, and the request alone ends nothing (ASVS 10.6.2)', async () => {
    await tokensFor(server, web, {}, agent)
    for (const fields of [{}, { client_id: web.client_id }, { logout_hint: 'x' }, { state: 'x' }]) {
      const page = await logout(fields)
      expect(page.status).to.equal(200)
      expect(page.root.querySelector('#logout-form')).not.to.equal(null)
    }
    for (const headers of [
      { 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' },
    ]) {
      await agent.get(`${server.issuer}/logout`, { headers })
    }
    expect(await isSignedIn()).to.equal(true)
    const page = await agent.submit(await logout({}))
    expect(page.location?.origin ?? server.issuer).to.equal(server.issuer)
    expect(await isSignedIn()).to.equal(false)
  })

  it('cannot be confirmed from another site or without the CSRF token (ASVS 10.6.2, 3.5.1)', async () => {
    await tokensFor(server, web, {}, agent)
    await logout({})
    for (const fields of [
      { logout: 'yes' },
      { logout: 'yes', xsrf: 'x' },
      { logout: 'yes', xsrf: '' },
    ]) {
      const page = await agent.post(`${server.issuer}/logout/confirm`, fields)
      expect(page.status).to.be.within(400, 499)
    }
    expect(await isSignedIn()).to.equal(true)
  })

  it('redirects only to registered addresses (P-069, C2)', async () => {
    const { id_token } = await tokensFor(server, web, {}, agent)
    const wrong = [
      'https://evil.example/',
      `${signedOut}/`,
      `${signedOut}?a=b`,
      `${signedOut}#a`,
      `${signedOut}/../x`,
      signedOut.toUpperCase(),
      signedOut.replace('localhost', '127.0.0.1'),
      signedOut.replace(':9', ':10'),
      signedOut.replace('http:', 'https:'),
      signedOut.replace('//', '//user@'),
      ` ${signedOut}`,
      '//evil.example',
      '/signed-out',
      'javascript:alert(1)',
    ]
    for (const post_logout_redirect_uri of wrong) {
      expectErrorPage(await logout({ id_token_hint: id_token, post_logout_redirect_uri }))
      expectErrorPage(await logout({ client_id: web.client_id, post_logout_redirect_uri }))
    }
    expectErrorPage(await logout({ client_id: spa.client_id, post_logout_redirect_uri: signedOut }))
    const twice = { client_id: web.client_id, post_logout_redirect_uri: [signedOut, signedOut] }
    expectErrorPage(await logout(twice))
    expect(await isSignedIn()).to.equal(true)
  })

  it('does not redirect to an address removed before the confirmation (P-069)', async () => {
    const leaving = { ...web, client_id: 'leaving', post_logout_redirect_uris: [signedOut] }
    await server.core.clients.declare(defaultTenant, leaving)
    await tokensFor(server, leaving, bound, agent)
    const asked = await logout({ client_id: 'leaving', post_logout_redirect_uri: signedOut })
    await server.core.clients.declare(defaultTenant, { ...leaving, post_logout_redirect_uris: [] })
    const page = await agent.follow(await agent.submit(asked))
    expect(page.status).to.equal(200)
    expect(page.url.origin).to.equal(new URL(server.issuer).origin)
    expect(await isSignedIn()).to.equal(false)
  })

  it('without client or hint ignores the redirect address (P-069)', async () => {
    await tokensFor(server, web, {}, agent)
    const asked = await logout({ post_logout_redirect_uri: signedOut })
    const page = await agent.follow(await agent.submit(asked))
    expect(page.location).to.equal(undefined)
    expect(page.status).to.equal(200)
  })

  it('with client_id only redirects as well (P-069)', async () => {
    await tokensFor(server, web, {}, agent)
    const fields = { client_id: web.client_id, post_logout_redirect_uri: signedOut }
    const page = await agent.follow(await agent.submit(await logout(fields)))
    expect(page.location?.href).to.equal(signedOut)
  })

  it('refuses hints that are forged or of another client (P-069, ASVS 9.1.1, 10.6.2)', async () => {
    const { id_token = '', access_token } = await tokensFor(server, web, {}, agent)
    const forged = (await forgeries(server, id_token)).map(([, token]) => token)
    for (const id_token_hint of [...forged, 'x', 'a.b.c', access_token]) {
      expectErrorPage(await logout({ id_token_hint, post_logout_redirect_uri: signedOut }))
    }
    expectErrorPage(await logout({ id_token_hint: id_token, client_id: spa.client_id }))
    expectErrorPage(await logout({ client_id: 'nobody', post_logout_redirect_uri: signedOut }))
    expect(await isSignedIn()).to.equal(true)
  })

  it('accepts an expired hint (RP-Initiated Logout §4)', async () => {
    const { id_token } = await tokensFor(server, web, {}, agent)
    travel(3600)
    const asked = await logout({ id_token_hint: id_token, post_logout_redirect_uri: signedOut })
    const page = await agent.follow(await agent.submit(asked))
    expect(page.location?.href).to.equal(signedOut)
  })

  it('without a session succeeds at once and stores nothing, whatever cookies are sent (P-069, C25)', async () => {
    const sessions = async () =>
      (await server.core.database.query('select uid from sessions')).length
    await tokensFor(server, web, {}, agent)
    const cookie = await agent.jar.getCookieString(server.issuer)
    await agent.submit(await logout())
    const before = await sessions()
    const fields = { client_id: web.client_id, post_logout_redirect_uri: signedOut, state: 's' }
    for (const headers of [{}, { cookie }]) {
      const page = await createUserAgent().get(`${server.issuer}/logout?${encode(fields)}`, {
        headers,
      })
      expect([page.status, page.location?.href]).to.deep.equal([303, `${signedOut}?state=s`])
      expect(page.headers.getSetCookie()).to.deep.equal([])
      const here = await agent.get(`${server.issuer}/logout`, { headers })
      expect((await agent.follow(here)).status).to.equal(200)
      await createUserAgent().get(authorizeUrl(server, web), { headers })
      await createUserAgent().get(authorizeUrl(server, web, { prompt: 'none' }), { headers })
    }
    expect(await sessions()).to.equal(before)
  })

  it('without a session does not redirect to a client that no operator vouches for (RFC 9700 §4.11.2)', async () => {
    const unknown = { ...web, client_id: 'unvouched', errors_need_sign_in: true }
    await server.core.clients.declare(defaultTenant, unknown)
    const page = await agent.follow(
      await logout({ client_id: 'unvouched', post_logout_redirect_uri: signedOut }),
    )
    expect(page.url.origin).to.equal(new URL(server.issuer).origin)
    expect(page.body).to.include(web.client_name)
  })

  it('without a session redirects such a client if it sends an ID token (P-069)', async () => {
    const unknown = { ...web, client_id: 'unvouched', errors_need_sign_in: true }
    await server.core.clients.declare(defaultTenant, unknown)
    const { id_token } = await tokensFor(server, unknown, {}, agent)
    const fields = { id_token_hint: id_token, post_logout_redirect_uri: signedOut, state: 's' }
    const page = await logout(fields, createUserAgent())
    expect([page.status, page.location?.href]).to.deep.equal([303, `${signedOut}?state=s`])
  })
})
