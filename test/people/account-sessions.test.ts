import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { introspect, refresh, tokensFor } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { accountOf, browsers, open, press, signedIn, somebody } from './account.story.ts'
import { expectFault, headingOf, textOf } from './story.ts'

describe('people: devices and sessions (ASVS 7.5.2)', () => {
  const server = booted(anyStorage, {}, furnish)

  it('leads to sign-in and back, and to no address from a forged state', async () => {
    const person = await somebody(server)
    const agent = createUserAgent()
    const page = await open(server, '/account/sessions', person, agent)
    expect(page.url.pathname).to.equal('/account/sessions')
    for (const state of ['~//evil.example', '~__proto__', '~https://evil.example', '~nowhere']) {
      const url = `${server.issuer}/account/callback?code=x&state=${encodeURIComponent(state)}`
      expect((await agent.get(url)).location?.href, state).to.equal(`${server.issuer}/account`)
    }
  })

  it('shows each with its browser, address and times, the current one first', async () => {
    const person = await somebody(server)
    const here = await signedIn(server, person)
    await signedIn(server, person, 'safari')
    const page = await open(server, '/account/sessions', person, here)
    expect(headingOf(page)).to.equal('Devices and sessions')
    const items = page.root.querySelectorAll('#sessions > li')
    expect(items.map((item) => item.querySelector('h2')?.textContent)).to.deep.equal([
      'Firefox on Linux this one',
      'Safari on iOS',
    ])
    expect(items[0]?.querySelector('form'), 'this one ends by signing out').to.equal(null)
    for (const item of items) expect(item.textContent).to.match(/\d{4}.*UTC, from (127|::)/)
    expect(page.root.querySelector('nav [aria-current]')?.textContent).to.equal(headingOf(page))
    expect(page.root.querySelector('#sign-out-form'), 'ASVS 7.4.4').not.to.equal(null)
    const german = await here.get(`${server.issuer}/account/sessions?ui_locales=de`)
    expect(textOf(german)).to.include('Safari unter iOS')
  })

  it('ends one session, with the tokens bound to it', async () => {
    const person = await somebody(server)
    const here = await signedIn(server, person)
    const there = createUserAgent({ called: browsers.safari })
    await open(server, '/account', person, there)
    const bound = await tokensFor(server, web, { scope: 'openid' }, there)
    const page = await open(server, '/account/sessions', person, here)
    expect(textOf(page)).to.include(web.client_name)
    const done = await here.follow(await press(here, page, /sessions\/[\w-]+\/end$/))
    expect(done.root.querySelector('[role=status]')?.textContent).to.match(/has ended/)
    expect((await there.get(`${server.issuer}/account`)).status).to.equal(303)
    expect((await refresh(server, web, bound)).status).to.equal(400)
    expect(await introspect(server, web, bound.access_token)).to.include({ active: false })
    const after = await open(server, '/account/sessions', person, here)
    expect(textOf(after)).to.include('not signed in anywhere else')
    expect((await press(here, page, /sessions\/[\w-]+\/end$/)).status, 'second time').to.equal(404)
  })

  it('ends the access of an application on one device, and keeps it on another', async () => {
    const person = await somebody(server)
    const [here, there] = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    const kept = await tokensFor(server, web, { scope: 'openid offline_access' }, here)
    const lost = await tokensFor(server, web, { scope: 'openid offline_access' }, there)
    const page = await open(server, '/account/sessions', person, here)
    const [device] = page.root
      .querySelectorAll('#devices li')
      .filter((item) => item.textContent.includes('Safari'))
    const action = device?.querySelector('form')?.getAttribute('action') ?? 'none'
    await press(here, page, new RegExp(`^${action}$`))
    expect((await refresh(server, web, lost)).status).to.equal(400)
    expect((await refresh(server, web, kept)).status).to.equal(200)
  })

  it('signs out all other sessions and keeps the current one (ASVS 7.4.3)', async () => {
    const person = await somebody(server)
    const [here, there] = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    const kept = await tokensFor(server, web, { scope: 'openid offline_access' }, here)
    const lost = await tokensFor(server, web, { scope: 'openid offline_access' }, there)
    const page = await open(server, '/account/sessions', person, here)
    await here.submit(page, { form: '#end-others-form' })
    expect((await there.get(`${server.issuer}/account`)).status).to.equal(303)
    expect((await refresh(server, web, lost)).status).to.equal(400)
    expect(await introspect(server, web, lost.access_token)).to.include({ active: false })
    expect((await here.get(`${server.issuer}/account`)).status).to.equal(200)
    expect(await introspect(server, web, kept.access_token)).to.include({ active: true })
    expect((await refresh(server, web, kept)).status).to.equal(200)
  })

  it('says that there are no other devices or sessions', async () => {
    const person = await somebody(server)
    const page = await open(server, '/account/sessions', person, await signedIn(server, person))
    expect(textOf(page)).to.include('No application has such access.')
    expect(page.root.querySelector('#end-others')).to.equal(null)
  })

  it('refuses ids of another account and forms of another session (C22, C23)', async () => {
    const [one, two] = [await somebody(server), await somebody(server)]
    const [hers, his] = [await signedIn(server, one), await signedIn(server, two)]
    const tokens = await tokensFor(server, web, { scope: 'openid offline_access' }, his)
    const { id } = await accountOf(server, two)
    const { sessions, families } = server.core
    const [session] = await sessions.list('default', id)
    const [family] = await families.list('default', { accountId: id, live: true })
    const page = await open(server, '/account/sessions', one, hers)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const [ofSession, ofFamily] = [`sessions/${session?.uid}`, `devices/${family?.id}`]
    for (const path of [ofSession, ofFamily]) {
      const url = `${server.issuer}/account/${path}/end`
      expectFault(await hers.post(url, { csrf }), 404, /no such page/)
      expectFault(await his.post(url, { csrf }), 403, /could not confirm/)
      const cross = { 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' }
      expectFault(await his.post(url, { csrf }, { headers: cross }), 403, /could not confirm/)
    }
    expect((await his.get(`${server.issuer}/account`)).status).to.equal(200)
    expect((await refresh(server, web, tokens)).status).to.equal(200)
  })
})
