import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { anyStorage } from '../support/any-storage.ts'
import { idsOf } from '../support/audit.ts'
import { booted } from '../support/boot.ts'
import {
  answerRequest,
  askForResult,
  bank,
  openAccount,
  openRequest,
  outcomeOf,
  requestsOn,
  startRequest,
} from '../support/ciba.ts'
import { alice, api, furnish } from '../support/fixtures.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { credentials, headingOf, textOf } from './story.ts'

const bob = { email: 'bob@example.com', name: 'Bob', password: 'a caterpillar on a mushroom 7' }
const message = 'Überweisung 12,50 € — W4SCT'

describe('people: answering a request of an application on another device (CIBA)', () => {
  const server = booted(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' }, furnish)
  before(async () => {
    remember(bank.client_secret, bob.password)
    await server.core.clients.declare('default', { ...bank, client_uri: 'https://bank.example/' })
    await server.core.accounts.declare('default', bob)
  })
  afterEach(async () => {
    backToPresent()
    await server.core.database.execute('delete from backchannel_requests', [])
  })

  const scope = 'openid email offline_access orders:read'
  const asked = { scope, resource: api, binding_message: message }

  it('is listed on the account page, and its page says who asks for what, and from where (ASVS 10.7.2)', async () => {
    const agent = createUserAgent()
    expect((await openAccount(server, agent)).root.querySelector('#requests')).to.equal(null)
    const request = await startRequest(server, asked)
    const account = await openAccount(server, agent)
    expect(textOf(account)).to.include('Example bank asks you to sign in').and.include(message)
    const [link = ''] = requestsOn(account)
    expect(link).not.to.include(request.auth_req_id)
    const page = await agent.get(link)
    expect(headingOf(page)).to.equal('Example bank asks you to sign in')
    expect(page.root.querySelector('#binding-message')?.textContent).to.equal(message)
    expect(page.root.querySelector('#asked-from')?.textContent).to.equal('127.0.0.1')
    expect(textOf(page))
      .to.include(alice.email)
      .and.include('bank.example')
      .and.include('See your e-mail address')
      .and.include('Keep this access while you are away')
      .and.include('Orders')
      .and.include('orders:read')
    const buttons = page.root.querySelectorAll('#request-form button').map(({ id }) => id)
    expect(buttons, 'allow before deny').to.deep.equal(['allow', 'deny'])
    expect(page.headers.get('cache-control')).to.equal('no-store')
    const done = await agent.submit(page)
    expect([done.status, outcomeOf(done)]).to.deep.equal([200, 'allowed'])
    expect(requestsOn(await openAccount(server, agent))).to.deep.equal([])
    tokensIn(await askForResult(server, request))
    const again = await agent.submit(page)
    expect([again.status, outcomeOf(again)]).to.deep.equal([400, 'over'])
  })

  it('reports two factors in `acr` on request, and requires them when essential (CIBA §7.1)', async () => {
    const person = await somebody(server.core)
    const agent = createUserAgent()
    await openAccount(server, agent, person)
    const { username, password, secret } = await factorOwner(server.core, person)
    const wished = await startRequest(server, { login_hint: username, acr_values: multiFactor })
    const [link = ''] = requestsOn(await openAccount(server, agent, person))
    const login = await agent.follow(await agent.get(link))
    const code = await agent.follow(await agent.submit(login, { fields: { username, password } }))
    const fields = { otp: codeOf(secret) }
    const page = await agent.follow(await agent.submit(code, { fields }))
    expect(outcomeOf(await agent.submit(page, { button: '#allow' }))).to.equal('allowed')
    const { id_token } = tokensIn(await askForResult(server, wished))
    expect(decodeJwt(id_token as string)['acr']).to.equal(multiFactor)

    // Alice has no second factor: a voluntary acr is ignored, an essential one blocks the request.
    const voluntary = await startRequest(server, { acr_values: multiFactor })
    await answerRequest(server)
    const weak = tokensIn(await askForResult(server, voluntary))
    expect(decodeJwt(weak.id_token as string)).not.to.have.property('acr')
    const claims = { id_token: { acr: { essential: true, values: [multiFactor] } } }
    const essential = await startRequest(server, { claims: JSON.stringify(claims) })
    expect((await openRequest(server)).location?.pathname).to.equal('/account/factors')
    expectRefusal(await askForResult(server, essential), 400, 'authorization_pending')
  })

  it('is in German, also after sign-in', async () => {
    await startRequest(server, asked)
    const agent = createUserAgent()
    const [link = ''] = requestsOn(await openAccount(server, createUserAgent()))
    const login = await agent.follow(await agent.get(`${link}?ui_locales=de`))
    expect(headingOf(login)).to.equal('Anmelden')
    const page = await agent.follow(await agent.submit(login, { fields: credentials }))
    expect(headingOf(page)).to.equal('Example bank bittet Sie, sich anzumelden')
    expect(textOf(await agent.submit(page))).to.include('Sie haben die Anfrage erlaubt')
  })

  it('treats every decision but "allow" as a denial', async () => {
    const request = await startRequest(server)
    const agent = createUserAgent()
    const page = await openRequest(server, agent)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const end = await agent.post(page.url, { csrf, decision: 'Allow' })
    expect(outcomeOf(end)).to.equal('denied')
    expectRefusal(await askForResult(server, request), 400, 'access_denied')
  })

  it('is audited: the client and its address, the answer and the browser', async () => {
    const earlier = await idsOf(server)
    for (const button of ['#allow', '#deny']) {
      await startRequest(server)
      const agent = createUserAgent({ called: 'Firefox of Alice' })
      await agent.submit(await openRequest(server, agent), { button })
    }
    const events = await server.core.database.query<Record<string, string>>(
      `select type, client_id, account_id, ip, user_agent from audit_events
       where type like 'backchannel.%' and id <> all($1) order by at, type desc`,
      [earlier],
    )
    const account = await server.core.accounts.byIdentifier('default', alice.email)
    expect(events.map(({ type }) => type)).to.deep.equal([
      ...['backchannel.asked', 'backchannel.allowed', 'backchannel.asked', 'backchannel.denied'],
    ])
    for (const { type = '', ...event } of events) {
      const about = { client_id: bank.client_id, account_id: account?.id, ip: '127.0.0.1' }
      expect(event, type).to.include(about)
      if (!type.endsWith('asked')) expect(event['user_agent']).to.equal('Firefox of Alice')
    }
  })

  it("shows our own copy of the client's logo, only to the account it asks", async () => {
    const picture = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    )
    const site = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' }).end(picture)
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const { port } = site.address() as AddressInfo
    const client = { ...bank, client_id: 'pictured', logo_uri: `http://127.0.0.1:${port}/logo.png` }
    await server.core.clients.declare('default', client)
    await startRequest(server, {}, client)
    const agent = createUserAgent()
    const page = await openRequest(server, agent)
    const logo = page.root.querySelector('#client-logo')?.getAttribute('src') ?? ''
    const image = await agent.get(new URL(logo, page.url))
    expect([image.status, image.headers.get('content-type')]).to.deep.equal([200, 'image/png'])
    expect((await createUserAgent().get(new URL(logo, page.url))).status).to.equal(404)
    site.close()
  })

  it('is not visible to another account, which gets the same response as for an unknown request', async () => {
    await startRequest(server)
    const [link = ''] = requestsOn(await openAccount(server, createUserAgent()))
    const agent = createUserAgent()
    const ofBob = { username: bob.email, password: bob.password }
    expect(requestsOn(await openAccount(server, agent, ofBob))).to.deep.equal([])
    const others = await agent.get(link)
    const invented = await agent.get(`${server.issuer}/account/requests/${'x'.repeat(43)}`)
    expect([others.status, outcomeOf(others)]).to.deep.equal([400, 'over'])
    expect(others.body).to.equal(invented.body)
    expect((await agent.get(`${link}/logo`)).status).to.equal(404)
  })

  it('refuses forms of another site, and tokens of another request or browser (C23)', async () => {
    const request = await startRequest(server)
    const other = await startRequest(server)
    const agent = createUserAgent()
    const [first = '', second = ''] = requestsOn(await openAccount(server, agent))
    const csrfOf = async (who: UserAgent, link: string) =>
      (await who.get(link)).root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const stranger = createUserAgent()
    await openAccount(server, stranger)
    const own = await csrfOf(agent, first)
    const decision = 'allow'
    for (const [csrf, headers] of [
      ['', {}],
      [await csrfOf(agent, second), {}],
      [await csrfOf(stranger, first), {}],
      [own, { origin: 'https://evil.example' }],
      [own, { 'sec-fetch-site': 'cross-site' }],
    ] as const) {
      const page = await agent.post(first, { csrf, decision }, { headers })
      expect(page.status, JSON.stringify(headers)).to.equal(403)
    }
    for (const each of [request, other]) {
      expectRefusal(await askForResult(server, each), 400, 'authorization_pending')
    }
  })

  it('leads through sign-in and back to the request; a forged state leads to the account page', async () => {
    await startRequest(server)
    const [link = ''] = requestsOn(await openAccount(server, createUserAgent()))
    const agent = createUserAgent()
    const login = await agent.follow(await agent.get(link))
    const page = await agent.follow(await agent.submit(login, { fields: credentials }))
    expect(page.url.href).to.equal(link)
    for (const state of ['~https://evil.example', '~//evil.example', '~../../x', 'en~x~y']) {
      const address = `${server.issuer}/account/callback?state=${encodeURIComponent(state)}`
      expect((await agent.get(address)).location?.pathname).to.equal('/account')
    }
  })

  it('expires, even while the page is open', async () => {
    await startRequest(server, { requested_expiry: '60' })
    const agent = createUserAgent()
    const page = await openRequest(server, agent)
    travel(61)
    expect(outcomeOf(await agent.submit(page))).to.equal('over')
    expect(requestsOn(await openAccount(server, agent))).to.deep.equal([])
  })
})
