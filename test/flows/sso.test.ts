import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  expectReturned,
  redeem,
  signIn,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const credentials = { username: alice.email, password: alice.password }

onAnyStorage('sessions', (kind) => {
  const server = booted(kind, {}, furnish)
  let agent: UserAgent
  beforeEach(() => {
    agent = createUserAgent()
  })

  const asksPassword = (page: Page) => page.root.querySelector('input[name=password]') !== null
  const start = async (browser = agent, client: { client_id: string } = web) =>
    browser.follow(await browser.get(authorizeUrl(server, client)))
  const cookieOf = async (browser = agent) =>
    (await browser.cookies(server.issuer)).find(({ key }) => key.endsWith('.session'))?.value
  const silently = (cookie: string) =>
    createUserAgent().get(authorizeUrl(server, web, { prompt: 'none' }), { headers: { cookie } })

  it('get a new identifier at sign-in, which ends the old one (ASVS 7.2.4, 7.2.1)', async () => {
    await signIn(server, web, {}, agent)
    const first = await agent.jar.getCookieString(server.issuer)
    const value = await cookieOf()
    expect((await silently(first)).location?.searchParams.has('code')).to.equal(true)

    await signIn(server, web, { prompt: 'login' }, agent)
    expect(await cookieOf())
      .to.be.a('string')
      .and.not.equal(value)
    expectReturned(await silently(first), 'login_required')
    const now = await agent.jar.getCookieString(server.issuer)
    expect((await silently(now)).location?.searchParams.has('code')).to.equal(true)
  })

  it('are not fixed by a cookie planted before sign-in (ASVS 7.2.4, C6)', async () => {
    await start()
    const planted = await agent.jar.getCookieString(server.issuer)
    await signIn(server, web, {}, agent)
    expectReturned(await silently(planted), 'login_required')
  })

  it('have identifiers of 256 bits that differ at each sign-in (ASVS 7.2.2, 7.2.3)', async () => {
    const values = new Set<string | undefined>()
    for (let i = 0; i < 3; i++) {
      const browser = createUserAgent()
      await signIn(server, web, {}, browser)
      const value = await cookieOf(browser)
      expect(value).to.match(/^[\w-]{43,}$/)
      values.add(value)
    }
    expect(values.size).to.equal(3)
  })

  it('are not found if any byte of the cookie is changed (ASVS 7.2.1)', async () => {
    await signIn(server, web, {}, agent)
    const value = (await cookieOf()) ?? ''
    const cookies = await agent.jar.getCookieString(server.issuer)
    for (let place = 0; place < value.length; place += 4) {
      const other = value[place] === 'A' ? 'B' : 'A'
      const changed = value.slice(0, place) + other + value.slice(place + 1)
      expectReturned(await silently(cookies.replace(value, changed)), 'login_required')
    }
    const unsigned = cookies.split('; ').filter((cookie) => !cookie.includes('.sig='))
    expectReturned(await silently(unsigned.join('; ')), 'login_required')
  })

  it('are not found if its signature is changed, cut or extended (ASVS 7.2.1)', async () => {
    await signIn(server, web, {}, agent)
    const cookies = await agent.jar.getCookieString(server.issuer)
    const [, signature = ''] = /session\.sig=([^;]+)/.exec(cookies) ?? []
    expect(signature).to.match(/^[\w-]{43}$/)
    const others = [signature.slice(1), `${signature}A`, '', 'ü'.repeat(43), 'A'.repeat(43)]
    for (let place = 0; place < signature.length; place += 6) {
      const other = signature[place] === 'A' ? 'B' : 'A'
      others.push(signature.slice(0, place) + other + signature.slice(place + 1))
    }
    for (const other of others) {
      const page = await silently(cookies.replace(signature, encodeURI(other)))
      expectReturned(page, 'login_required')
    }
    expect((await silently(cookies)).location?.searchParams.get('code')).to.be.a('string')
  })

  it('let a second client in without a password (K-40)', async () => {
    const first = await tokensFor(server, web, {}, agent)
    const page = await start(agent, spa)
    expect(asksPassword(page)).to.equal(false)
    const second = await tokensFor(server, spa, {}, agent)
    expect(decodeJwt(second.access_token).sub).to.equal(decodeJwt(first.access_token).sub)
    expect(decodeJwt(second.access_token)['sid']).not.to.equal(decodeJwt(first.access_token)['sid'])
  })

  it('serve two tabs: both sign-ins begun before the first one ended succeed (C6)', async () => {
    const [one, two] = [await start(), await start(agent, spa)]
    expect(asksPassword(one) && asksPassword(two)).to.equal(true)
    for (const [tab, client] of [
      [one, web],
      [two, spa],
    ] as const) {
      const url = authorizeUrl(server, client)
      const page = await agent.follow(await agent.submit(tab, { fields: credentials }))
      const target = page.location ?? (await agent.walk(url, credentials))
      const code = target.searchParams.get('code') ?? ''
      tokensIn(await redeem(server, client, code))
    }
  })

  it('begun in one browser cannot continue in another (C6, ASVS 10.1.2)', async () => {
    const form = await start()
    const stranger = createUserAgent()
    const stolen = await stranger.get(form.url)
    expect(stolen.status).to.equal(400)
    const posted = await stranger.submit(form, { fields: credentials })
    expect(posted.status).to.equal(400)
    expect(posted.headers.has('location')).to.equal(false)
    const victim = await start(stranger)
    const crossed = await stranger.get(form.url)
    expect(crossed.status).to.equal(400)
    expect(asksPassword(victim)).to.equal(true)
  })

  it('start only from a form of this server, sent by POST (ASVS 7.6.2, 3.5.1, P-013)', async () => {
    const form = await start()
    await agent.get(`${form.url.href}?username=${alice.email}&password=${alice.password}`)
    const action = new URL(form.root.querySelector('form')?.getAttribute('action') ?? '', form.url)
    const csrf = form.root.querySelector('input[name=csrf]')?.getAttribute('value') ?? ''
    for (const fields of [credentials, { ...credentials, csrf: 'x' }]) {
      expect((await agent.post(action, fields)).status).to.equal(403)
    }
    const foreign = { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } }
    const sent = { ...credentials, csrf }
    expect((await agent.post(action, sent, foreign)).status).to.equal(403)
    const twice = new URLSearchParams([...Object.entries(sent), ['username', 'x']])
    expect((await agent.post(action, twice)).status).to.equal(400)
    expect(await agent.get(authorizeUrl(server, web, { prompt: 'none' }))).to.satisfy(
      (page: Page) => page.location?.href.includes('login_required'),
    )
    const right = await agent.post(action, sent)
    expect(right.status, '303 after credentials, never 307').to.equal(303)
  })

  it('do not start with a wrong password, and the form is shown again (K-09, K-10)', async () => {
    const form = await start()
    for (const fields of [
      { ...credentials, password: 'wrong' },
      { username: 'nobody@example.com', password: alice.password },
    ]) {
      const page = await agent.submit(form, { fields })
      expect(page.status).to.equal(403)
      expect(asksPassword(page)).to.equal(true)
    }
    expectReturned(await agent.get(authorizeUrl(server, web, { prompt: 'none' })), 'login_required')
  })
})
