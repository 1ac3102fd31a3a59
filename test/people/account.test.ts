import { expect } from 'chai'
import { addresses } from '../../src/issuer.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { codeFor, tokensFor } from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { arrive, credentials, expectFault, headingOf, textOf } from './story.ts'

onAnyStorage('people: the account page and signing out', (kind) => {
  const server = booted(kind, {}, furnish)

  const open = async (agent: UserAgent): Promise<Page> =>
    agent.follow(await agent.get(`${server.issuer}/account`))

  async function signedIn(): Promise<{ agent: UserAgent; page: Page }> {
    const agent = createUserAgent()
    const login = await open(agent)
    const page = await agent.follow(await agent.submit(login, { fields: credentials }))
    return { agent, page }
  }

  it('requires sign-in, then shows name and address (ASVS 6.3.4)', async () => {
    const { page } = await signedIn()
    expect(page.url.pathname).to.equal('/account')
    expect(headingOf(page)).to.equal('Your account')
    expect(textOf(page)).to.include(alice.name).and.include(alice.email).and.include('verified')
    expect(page.headers.get('cache-control'), 'the back button shows nothing').to.equal('no-store')
    expect(page.body).not.to.include('keyturn-account')
  })

  it("redirects a GET of a form's action to the page of the form, as a restored tab needs", async () => {
    const { agent } = await signedIn()
    for (const [from, to] of [
      ['account/data/delete', 'account/data'],
      ['account/data/download', 'account/data'],
      ['account/factors/codes', 'account/factors'],
      ['account/factors/new/confirm', 'account/factors/new'],
      ['account/factors/x/rename', 'account/factors'],
      ['account/factors/x/remove', 'account/factors'],
      ['account/email-codes/confirm', 'account/email-codes'],
      ['account/email-codes/off', 'account/factors'],
      ['account/sessions/x/end', 'account/sessions'],
      ['account/devices/x/end', 'account/sessions'],
      ['account/sign-out-elsewhere', 'account/sessions'],
      ['account/applications/x/end', 'account/applications'],
      ['account/sign-out', 'account'],
      ['account/sign-out-everywhere', 'account'],
      ['logout/confirm', 'logout'],
    ]) {
      const { status, location } = await agent.get(`${server.issuer}/${from}?ui_locales=de`)
      expect([status, location?.pathname, location?.search], from).to.deep.equal([
        303,
        `/${to}`,
        '?ui_locales=de',
      ])
    }
    expect(headingOf(await open(agent)), 'still signed in').to.equal('Your account')
  })

  it('refuses GET only at endpoints for programs', async () => {
    const { agent } = await signedIn()
    const refused: string[] = []
    for (const address of addresses()) {
      const { status } = await agent.get(server.issuer + address.replaceAll(/:\w+/g, 'x'))
      if (status === 405) refused.push(address)
    }
    expect(refused).to.have.members([
      '/par',
      '/token',
      '/introspect',
      '/revoke',
      '/device_authorization',
      '/backchannel-authentication',
      '/register',
      '/ssf/verify',
      '/ssf/poll/:id',
    ])
  })

  it('returns to the home page after cancelling, and reports a lost cookie', async () => {
    const agent = createUserAgent()
    const cancelled = await agent.submit(await open(agent), { form: '#cancel-form' })
    expect((await agent.follow(cancelled)).url.pathname).to.equal('/')
    const lost = await createUserAgent().get(`${server.issuer}/account/callback?code=x`)
    expectFault(lost, 409, /./)
    expect(textOf(lost)).to.include('did not keep the cookie')
  })

  it('ends the session for good on sign-out (ASVS 7.4.1, 7.4.4)', async () => {
    const { agent, page } = await signedIn()
    const kept = await agent.cookies(server.issuer)
    const left = await agent.submit(page, { form: '#sign-out-form' })
    expect(left.status, 'P-013').to.equal(303)
    expect(headingOf(await agent.follow(left))).to.equal('You are signed out')
    expect((await agent.cookies(server.issuer)).map(({ key }) => key)).not.to.include(
      'keyturn.default.session',
    )
    expect((await open(agent)).root.querySelector('form')?.id).to.equal('login-form')
    const thief = createUserAgent()
    for (const cookie of kept) await thief.jar.setCookie(cookie, server.issuer)
    expect((await open(thief)).root.querySelector('form')?.id).to.equal('login-form')
    const again = await agent.submit(page, { form: '#sign-out-form' })
    expect(again.status, 'signing out twice').to.equal(303)
  })

  it('refuses the CSRF token of another session (C22, C23)', async () => {
    const one = await signedIn()
    await server.core.accounts.declare('default', {
      email: 'bob@example.com',
      password: alice.password,
    })
    const bob = createUserAgent()
    const login = await bob.follow(await bob.get(`${server.issuer}/account`))
    const his = await bob.follow(
      await bob.submit(login, { fields: { ...credentials, username: 'bob@example.com' } }),
    )
    const csrf = one.page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    for (const form of [{ csrf }, {}]) {
      const answer = await bob.post(`${server.issuer}/account/sign-out`, form)
      expectFault(answer, 403, /could not confirm/)
    }
    expect(headingOf(await open(bob))).to.equal('Your account')
    expect(his.status).to.equal(200)
  })

  it('signs out on every device at once (ASVS 7.4.3)', async () => {
    const [here, there] = [await signedIn(), await signedIn()]
    const page = await here.agent.submit(here.page, { form: '#sign-out-everywhere-form' })
    expect(page.location?.pathname).to.equal('/account/signed-out')
    expect((await there.agent.get(`${server.issuer}/account`)).status, 'the other device').to.equal(
      303,
    )
    expect((await signedIn()).page.status, 'signing in again').to.equal(200)
  })

  it('shows "signed out" only when signed out', async () => {
    const { agent } = await signedIn()
    const page = await agent.get(`${server.issuer}/account/signed-out`)
    expect(page.location?.pathname).to.equal('/account')
  })

  it('signs out a disabled account at once (ASVS 7.4.2)', async () => {
    const email = 'leaver@example.com'
    const { account } = await server.core.accounts.create('default', {
      email,
      password: alice.password,
    })
    const agent = createUserAgent()
    const login = await open(agent)
    const page = await agent.follow(
      await agent.submit(login, { fields: { username: email, password: alice.password } }),
    )
    expect(textOf(page)).to.include(email)
    await server.core.accounts.setDisabled(account, true)
    expect((await open(agent)).root.querySelector('form')?.id).to.equal('login-form')
  })

  describe('requested by a client (RP-Initiated Logout)', () => {
    const party = () =>
      createRelyingParty({
        issuer: server.issuer,
        clientId: web.client_id,
        clientSecret: web.client_secret,
        redirectUri: web.redirect_uris[0] as string,
      })

    it('asks first, then signs out and redirects with state (ASVS 10.6.2)', async () => {
      const agent = createUserAgent()
      const { id_token } = await tokensFor(server, web, {}, agent)
      const url = (await party()).endSession({
        id_token_hint: id_token as string,
        post_logout_redirect_uri: web.post_logout_redirect_uris[0] as string,
        state: 'after all',
      })
      const page = await agent.get(url)
      expect(headingOf(page)).to.equal('Sign out?')
      expect(textOf(page)).to.include(web.client_name).and.include(alice.email)
      const { page: still } = await arrive(server, web, { prompt: 'none' }, agent)
      expect(still.location?.searchParams.has('code'), 'a GET does not sign out').to.equal(true)
      const done = await agent.submit(page)
      expect(done.status).to.equal(303)
      expect(done.location?.href).to.equal('http://localhost:9/signed-out?state=after+all')
      expect((await open(agent)).root.querySelector('form')?.id).to.equal('login-form')
    })

    it('shows a page without a redirect address, and never redirects to an unregistered one', async () => {
      const agent = createUserAgent()
      await codeFor(server, web, {}, agent)
      const foreign = await agent.get(
        `${server.issuer}/logout?client_id=web&post_logout_redirect_uri=https://attacker.example/`,
      )
      expectFault(foreign, 400, /request is not valid/)
      const page = await agent.get(
        `${server.issuer}/logout?post_logout_redirect_uri=https://attacker.example/`,
      )
      const done = await agent.follow(await agent.submit(page))
      expect(headingOf(done)).to.equal('You are signed out')
    })

    it('can be declined, which leads to the account page', async () => {
      const agent = createUserAgent()
      await codeFor(server, web, {}, agent)
      const page = await agent.get(`${server.issuer}/logout?client_id=web`)
      const stayed = await agent.follow(await agent.submit(page, { form: '#stay-form' }))
      expect(headingOf(stayed)).to.equal('Your account')
    })

    it('shows the same page to a browser that is not signed in', async () => {
      const agent = createUserAgent()
      const done = await agent.follow(await agent.get(`${server.issuer}/logout`))
      expect(headingOf(done)).to.equal('You are signed out')
    })

    it('refuses a confirmation without its token or from another site (C23)', async () => {
      const agent = createUserAgent()
      await codeFor(server, web, {}, agent)
      const page = await agent.get(`${server.issuer}/logout`)
      const xsrf = page.root.querySelector('[name=xsrf]')?.getAttribute('value') ?? ''
      const confirm = `${server.issuer}/logout/confirm`
      expect((await agent.post(confirm, { logout: 'yes' })).status).to.equal(400)
      expect((await agent.post(confirm, { logout: 'yes', xsrf: 'x' })).status).to.equal(400)
      const cross = await agent.post(
        confirm,
        { logout: 'yes', xsrf },
        { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' } },
      )
      expectFault(cross, 403, /could not confirm/)
      expect(headingOf(await open(agent))).to.equal('Your account')
    })
  })
})
