import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted, type TestServer } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, codeFor, signIn } from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { arrive, arriveSignedIn, credentials, expectFault, headingOf, type Visit } from './story.ts'

const csrfOf = (page: Page) => page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''

/** Expects that the browser is not signed in. */
async function expectSignedOut(server: TestServer, agent: UserAgent): Promise<void> {
  const { page } = await arrive(server, web, { prompt: 'none' }, agent)
  expect(page.location?.searchParams.get('error')).to.equal('login_required')
}

describe('people: the steps of a sign-in (C7, ASVS 2.3.1)', () => {
  const server = booted(anyStorage, {}, furnish)

  /** A POST like that of a browser, with any content type and body. */
  async function raw(
    { agent, page }: Visit,
    step: string,
    type: string,
    body: string,
  ): Promise<Page> {
    const url = new URL(`${page.url.href}/${step}`)
    const cookie = await agent.jar.getCookieString(url.href)
    const headers = { cookie, 'content-type': type, accept: 'text/html', origin: url.origin }
    return exchange({ method: 'POST', url, headers, body })
  }

  for (const step of ['login', 'password', 'consent', 'abort']) {
    it(`refuse an empty body, a wrong type or a JSON array at ${step}`, async () => {
      const visit = await arrive(server, web)
      const csrf = csrfOf(visit.page)
      for (const [type, body] of [
        ['application/x-www-form-urlencoded', ''],
        ['application/json', '[]'],
        ['application/json', JSON.stringify([{ csrf, ...credentials, decision: 'allow' }])],
        ['application/json', JSON.stringify({ csrf, ...credentials, decision: 'allow' })],
        ['text/plain', `csrf=${csrf}&username=${alice.email}&password=${alice.password}`],
        ['multipart/form-data; boundary=x', `--x\r\n\r\n--x--`],
        ['', `csrf=${csrf}`],
      ] as const) {
        expectFault(await raw(visit, step, type, body), 403, /could not confirm/)
      }
      const doubled = await raw(
        visit,
        step,
        'application/x-www-form-urlencoded',
        `csrf=${csrf}&csrf=${csrf}`,
      )
      expectFault(doubled, 400, /request is not valid/)
      await expectSignedOut(server, visit.agent)
      const again = await visit.agent.get(visit.page.url)
      expect(again.root.querySelector('form')?.id, 'still open').to.equal('login-form')
    })
  }

  it('refuse consent before sign-in, and sign-in after it', async () => {
    const { agent, page } = await arrive(server, web)
    const early = await agent.post(`${page.url.href}/consent`, {
      csrf: csrfOf(page),
      decision: 'allow',
    })
    expectFault(early, 400, /has expired/)
    await expectSignedOut(server, agent)

    const { agent: other, page: consent } = await arriveSignedIn(server, web)
    for (const step of ['login', 'password']) {
      const late = await other.post(`${consent.url.href}/${step}`, {
        csrf: csrfOf(consent),
        ...credentials,
        new_password: alice.password,
        confirm_password: alice.password,
      })
      expectFault(late, 400, /has expired/)
    }
  })

  it('give no code when the resume address is opened too early', async () => {
    const { agent, page } = await arrive(server, web)
    const uid = page.url.pathname.split('/').at(-1)
    const resumed = await agent.get(`${server.issuer}/authorize/${uid}`)
    const shown = await agent.follow(resumed)
    expect(shown.location?.searchParams.has('code') ?? false).to.equal(false)
    expect(shown.root.querySelector('form')?.id).to.equal('login-form')

    const { agent: signedIn, page: consent } = await arriveSignedIn(server, web)
    const next = consent.url.pathname.split('/').at(-1)
    const unasked = await signedIn.follow(await signedIn.get(`${server.issuer}/authorize/${next}`))
    expect(headingOf(unasked), 'consent is asked again').to.match(/^Allow/)
  })

  it('lead on from an expired or lost interaction: to the account page, or to where the client starts sign-ins', async () => {
    const away = { ...web, client_id: 'away', client_uri: 'https://app.example.com/' }
    const { issuer, core } = server
    await core.clients.declare('default', away)
    const link = async () => {
      const { agent, page } = await arrive(server, away)
      await forgetShortLived(core, server.env)
      const sent = await agent.submit(page, { fields: credentials })
      expectFault(sent, 400, /has expired/)
      const again = await agent.get(page.url)
      const hrefs = [sent, again].map(({ root }) => root.querySelector('#start-again'))
      return hrefs.map((each) => each?.getAttribute('href'))
    }
    expect(await link()).to.deep.equal(Array(2).fill('https://app.example.com/'))
    const begins = 'https://app.example.com/login?from=id'
    await core.clients.declare('default', { ...away, initiate_login_uri: begins })
    const expected = `${begins}&iss=${encodeURIComponent(issuer)}`
    expect(await link()).to.deep.equal(Array(2).fill(expected))

    // A finished step has the link only in its own browser, and while the client is enabled and not self-registered.
    const finished = await arrive(server, away)
    const at = finished.page.url
    await finished.agent.follow(await finished.agent.submit(finished.page, { fields: credentials }))
    const linkFor = async (browser: UserAgent) => {
      const page = await browser.get(at)
      expectFault(page, 400, /has expired/)
      return page.root.querySelector('#start-again')?.getAttribute('href')
    }
    expect(await linkFor(finished.agent)).to.equal(expected)
    const other = (await arrive(server, away)).agent
    expect(await linkFor(other), 'the browser of another sign-in').to.equal(undefined)
    const forger = createUserAgent()
    await forger.jar.setCookie(`keyturn.default.client=away; Path=${at.pathname}`, at.href)
    expect(await linkFor(forger), 'a forged cookie').to.equal(undefined)
    await core.clients.setDisabled('default', 'away', true)
    expect(await linkFor(finished.agent), 'a disabled client').to.equal(undefined)
    await core.database.execute(
      `insert into registered_clients (tenant_id, client_id, registered_at, expires_at)
       values ('default', 'away', now(), now() + interval '1 day')`,
    )
    await core.clients.setDisabled('default', 'away', false)
    expect(await linkFor(finished.agent), 'a self-registered client').to.equal(undefined)

    const agent = createUserAgent()
    const login = await agent.follow(await agent.get(`${issuer}/account`))
    await forgetShortLived(core, server.env)
    const anew = await agent.follow(await agent.submit(login, { fields: credentials }))
    expect(anew.root.querySelector('form')?.id).to.equal('login-form')
    const account = await agent.follow(await agent.submit(anew, { fields: credentials }))
    expect(account.url.pathname).to.equal('/account')
  })

  it('accept a submission once', async () => {
    const { agent, page } = await arrive(server, web)
    await agent.follow(await agent.submit(page, { fields: credentials }))
    expectFault(await agent.submit(page, { fields: credentials }), 400, /has expired/)

    const consent = await arriveSignedIn(server, web)
    await consent.agent.follow(await consent.agent.submit(consent.page))
    expectFault(await consent.agent.submit(consent.page), 400, /has expired/)
    const resume = `${server.issuer}/authorize/${consent.page.url.pathname.split('/').at(-1)}`
    const replayed = await consent.agent.get(resume)
    expect(replayed.status).to.equal(400)
    expect(replayed.location).to.equal(undefined)
  })

  it('continue with the last of two concurrent submissions, whose response a browser shows after two clicks', async () => {
    const { agent, page } = await arrive(server, web, { prompt: 'consent' })
    const clicks = await Promise.all([1, 2].map(() => agent.submit(page, { fields: credentials })))
    const shown = await agent.follow(clicks[1] as Page)
    expect(shown.status, shown.body).to.equal(200)
    expect(headingOf(shown)).to.match(/^Allow/)
  })

  it('keep the parameters of the original request (C6)', async () => {
    const { agent, page } = await arrive(server, web)
    const action = new URL(page.url)
    action.search = '?redirect_uri=https://attacker.example/&scope=openid+email&client_id=spa'
    action.pathname += '/login'
    const login = await agent.post(action, {
      csrf: csrfOf(page),
      ...credentials,
      redirect_uri: 'https://attacker.example/',
      client_id: 'spa',
      scope: 'openid email profile',
    })
    const consent = await agent.follow(login)
    const returned =
      consent.location === undefined
        ? await agent.get((await agent.submit(consent)).location ?? '')
        : consent
    expect(returned.location?.href).to.match(/^http:\/\/localhost:9\/callback\?code=/)
  })
})

describe('people: an interaction (C6, ASVS 10.1.2)', () => {
  const server = booted(anyStorage, {}, furnish)

  /** An interaction of an attacker, whose cookies another host of the domain also set in the browser of a victim. */
  async function plant(agent = createUserAgent()) {
    const { href } = (await arrive(server, web, {}, agent)).page.url
    const victim = createUserAgent()
    const planted = (await agent.cookies(href)).filter(({ key }) => /interaction/.test(key))
    expect(planted).to.have.length(2)
    for (const cookie of planted) await victim.jar.setCookie(cookie, href)
    return { attacker: agent, victim, href }
  }

  it('cannot be continued in another browser, at any step', async () => {
    const attacker = await arrive(server, web)
    const victim = createUserAgent()
    for (const step of ['', '/login', '/password', '/consent']) {
      const seen = await victim.follow(await victim.get(attacker.page.url.href + step))
      expectFault(seen, 400, /has expired/)
      const sent = await victim.post(`${attacker.page.url.href}${step || '/login'}`, {
        csrf: csrfOf(attacker.page),
        ...credentials,
      })
      expectFault(sent, 400, /has expired/)
    }
    const uid = attacker.page.url.pathname.split('/').at(-1)
    expectFault(await victim.get(`${server.issuer}/authorize/${uid}`), 400, /has expired/)
  })

  it('requires the cookie to match the address', async () => {
    const [one, other] = [await arrive(server, web), await arrive(server, web)]
    const cookie = await one.agent.jar.getCookieString(one.page.url.href)
    expect(cookie).to.include('keyturn.default.interaction=')
    const crossed = await exchange({
      method: 'GET',
      url: other.page.url,
      headers: { cookie, accept: 'text/html' },
    })
    expectFault(crossed, 400, /has expired/)
  })

  it('does not sign another browser in as the attacker: resuming requires the cookie of the browser (login CSRF, C23)', async () => {
    const attacker = await arrive(server, web)
    const login = await attacker.agent.submit(attacker.page, { fields: credentials })
    const victim = createUserAgent()
    expectFault(await victim.get(login.location ?? ''), 400, /has expired/)
    expect(await victim.cookies(server.issuer)).to.deep.equal([])
    for (const cookie of await attacker.agent.cookies(login.location)) {
      if (/resume/.test(cookie.key)) await victim.jar.setCookie(cookie, login.location?.href ?? '')
    }
    expectFault(await victim.get(login.location ?? ''), 400, /has expired/)
  })

  it('does not sign in an attacker who planted its cookies from another host of the domain (session fixation)', async () => {
    const lent = createUserAgent()
    const earlier = await arrive(server, web, {}, lent)
    await lent.submit(earlier.page, { fields: credentials })
    const { attacker, victim, href } = await plant(lent)
    const mark = (await lent.cookies(server.issuer)).find(({ key }) => /signing-in/.test(key))
    const named = `keyturn.default.signing-in.${href.split('/').at(-1)}`
    await lent.jar.setCookie(`${named}=${mark?.value}; Path=/`, server.issuer)
    const login = await victim.submit(await victim.get(href), { fields: credentials })
    expect(login.status).to.equal(303)
    expectFault(await attacker.get(login.location ?? ''), 400, /has expired/)
    await expectSignedOut(server, attacker)
  })

  it('cannot be continued by that attacker between its steps, after a right password', async () => {
    const { attacker, victim, href } = await plant()
    const newcomer = async (username: string) => {
      const created = await server.core.accounts.create('default', { email: username })
      return { username, password: created.oneTimePassword ?? '' }
    }
    // What the attacker proves there does not count for the victim.
    const theirs = { fields: await newcomer('attacker@example.com') }
    const shown = await attacker.follow(await attacker.submit(await attacker.get(href), theirs))
    expect(headingOf(shown)).to.equal('Choose a new password')
    const fields = await newcomer('planted@example.com')
    const choice = await victim.follow(await victim.submit(await victim.get(href), { fields }))
    expect(headingOf(choice)).to.equal('Choose a new password')
    expect(headingOf(await attacker.get(href))).to.equal('Sign in')
    const chosen = { new_password: 'the one of a thief', confirm_password: 'the one of a thief' }
    const stolen = await attacker.post(`${href}/password`, { csrf: csrfOf(choice), ...chosen })
    expect([stolen.status, headingOf(stolen)]).to.deep.equal([400, 'Sign in'])
    const own = { new_password: 'the one of its owner', confirm_password: 'the one of its owner' }
    const next = await victim.submit(choice, { fields: own })
    expectFault(await attacker.get(next.location ?? ''), 400, /has expired/)
  })

  it('is not mixed with another one of the same browser', async () => {
    const agent = createUserAgent()
    const first = await arrive(server, web, {}, agent)
    const second = await arrive(server, web, {}, agent)
    const crossed = await agent.post(`${first.page.url.href}/login`, {
      csrf: csrfOf(second.page),
      ...credentials,
    })
    expectFault(crossed, 403, /could not confirm/)
    const one = await agent.submit(first.page, { fields: credentials })
    expect(one.status, 'both tabs work').to.equal(303)
  })

  it('changes the session at sign-in, so that a planted cookie is useless (C6, ASVS 7.2.4)', async () => {
    const attacker = createUserAgent()
    await signIn(server, web, {}, attacker)
    const planted = await attacker.cookies(server.issuer)
    const out = await attacker.get(`${server.issuer}/logout`)
    await attacker.submit(out, { form: '#logout-form' })
    const victim = createUserAgent()
    for (const cookie of planted) await victim.jar.setCookie(cookie, server.issuer)
    expect(planted.map(({ key }) => key)).to.include('keyturn.default.session')
    await signIn(server, web, {}, victim)
    const now = (await victim.cookies(server.issuer)).find(
      ({ key }) => key === 'keyturn.default.session',
    )
    const then = planted.find(({ key }) => key === 'keyturn.default.session')
    expect(now?.value).to.be.a('string').and.not.equal(then?.value)
    const { page } = await arrive(server, web, { prompt: 'none' }, attacker)
    expect(page.location?.searchParams.get('error')).to.equal('login_required')
  })

  it('sets another cookie at each sign-in, and accepts no altered one (ASVS 7.2.1, 7.2.2)', async () => {
    const cookies = new Set<string>()
    const agent = createUserAgent()
    for (let time = 0; time < 3; time++) {
      await signIn(server, web, { prompt: 'login' }, agent)
      const session = (await agent.cookies(server.issuer)).find(
        ({ key }) => key === 'keyturn.default.session',
      )
      cookies.add(session?.value ?? '')
      expect(session?.value, 'ASVS 7.2.3').to.match(/^[\w-]{43,}$/)
    }
    expect([...cookies]).to.have.length(3)
    const all = await agent.cookies(server.issuer)
    const session = all.find(({ key }) => key === 'keyturn.default.session')
    const sig = all.find(({ key }) => key === 'keyturn.default.session.sig')
    const changed = `${session?.value.startsWith('A') ? 'B' : 'A'}${session?.value.slice(1)}`
    for (const cookie of [
      `${session?.key}=${changed}; ${sig?.key}=${sig?.value}`,
      `${session?.key}=${session?.value}`,
      `${session?.key}=${session?.value}; ${sig?.key}=x`,
    ]) {
      const answer = await exchange({
        method: 'GET',
        url: authorizeUrl(server, web, { prompt: 'none' }),
        headers: { cookie, accept: 'text/html' },
      })
      expect(answer.location?.searchParams.get('error'), cookie).to.equal('login_required')
    }
    expect(await codeFor(server, web, {}, agent), 'the unaltered cookie').to.be.a('string')
  })
})
