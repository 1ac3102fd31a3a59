import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { requiredAlgs } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  encode,
  expectErrorPage,
  expectReturned,
  type Fields,
  redeem,
  signIn,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const bob = { email: 'bob@example.com', password: 'can we fix it? yes we can 7' }

onAnyStorage('prompt and max_age', (kind) => {
  const server = booted(kind, {}, furnish)
  let agent: UserAgent
  before(() => server.core.accounts.declare(defaultTenant, bob))
  beforeEach(() => {
    agent = createUserAgent()
  })
  afterEach(backToPresent)

  const ask = (fields: Fields, browser = agent) => browser.get(authorizeUrl(server, web, fields))
  const asksPassword = (page: Page) => page.root.querySelector('input[name=password]') !== null
  const claimsIn = (idToken: string | undefined) => decodeJwt(idToken ?? '')

  it('none shows no page (P-018)', async () => {
    expectReturned(await ask({ prompt: 'none' }), 'login_required')
    await signIn(server, spa, {}, agent)
    expectReturned(await ask({ prompt: 'none' }), 'consent_required')
    await signIn(server, web, {}, agent)
    const { location } = await ask({ prompt: 'none' })
    expect(location?.searchParams.get('code')).to.be.a('string')
    expectReturned(await ask({ prompt: 'none', scope: 'openid email' }), 'consent_required')
  })

  it('none conflicts with every other prompt, and unknown prompts are refused (P-018)', async () => {
    await signIn(server, web, {}, agent)
    for (const prompt of ['none login', 'none consent', 'login none', 'x', 'none x', 'NONE']) {
      expectReturned(await ask({ prompt }), 'invalid_request')
    }
  })

  it('login asks for the password again, and auth_time advances (P-019)', async () => {
    const first = claimsIn((await tokensFor(server, web, {}, agent)).id_token)
    travel(100)
    const page = await agent.follow(await ask({ prompt: 'login' }))
    expect(asksPassword(page)).to.equal(true)
    const again = await tokensFor(server, web, { prompt: 'login' }, agent)
    expect(claimsIn(again.id_token)['auth_time']).to.be.at.least(
      (first['auth_time'] as number) + 100,
    )
  })

  it('login cannot be bypassed by resuming without a sign-in (P-019)', async () => {
    await signIn(server, web, {}, agent)
    const first = await ask({ prompt: 'login' })
    const uid = first.location?.pathname.split('/').at(-1)
    const resumed = await agent.get(`${server.issuer}/authorize/${uid}`)
    const page = await agent.follow(resumed)
    expect(page.location?.searchParams.has('code') ?? false).to.equal(false)
  })

  it('max_age asks for the password only when the sign-in is older (P-019)', async () => {
    const signedIn = claimsIn((await tokensFor(server, web, {}, agent)).id_token)
    travel(100)
    const recent = await ask({ max_age: '200', prompt: 'none' })
    const code = recent.location?.searchParams.get('code') ?? ''
    const claims = claimsIn(tokensIn(await redeem(server, web, code)).id_token)
    expect(claims['auth_time']).to.equal(signedIn['auth_time'])
    expectReturned(await ask({ max_age: '50', prompt: 'none' }), 'login_required')
    expect(asksPassword(await agent.follow(await ask({ max_age: '50' })))).to.equal(true)
  })

  it('max_age=0 acts like prompt=login (P-019)', async () => {
    await signIn(server, web, {}, agent)
    travel(1)
    expectReturned(await ask({ max_age: '0', prompt: 'none' }), 'login_required')
    expect(asksPassword(await agent.follow(await ask({ max_age: '0' })))).to.equal(true)
    const tokens = await tokensFor(server, web, { max_age: '0' }, agent)
    expect(claimsIn(tokens.id_token)['auth_time']).to.be.a('number')
  })

  it('max_age must be a number of seconds', async () => {
    for (const max_age of ['-1', 'x', '1.5', '9'.repeat(30)]) {
      expectReturned(await ask({ max_age }), 'invalid_request')
    }
  })

  it('id_token_hint of another user gives login_required, and a forged one is refused (P-020, ASVS 9.1.1)', async () => {
    const own = (await tokensFor(server, web, {}, agent)).id_token ?? ''
    const { location } = await ask({ prompt: 'none', id_token_hint: own })
    expect(location?.searchParams.has('code')).to.equal(true)

    const other = createUserAgent()
    const start = authorizeUrl(server, web)
    await other.walk(start, { username: bob.email, password: bob.password })
    const page = await ask({ prompt: 'none', id_token_hint: own }, other)
    expectReturned(page, 'login_required')

    const [header, payload, signature = ''] = own.split('.')
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
    const forged = [`${header}.${payload}.${flipped}`, `${unsigned}.${payload}.`, 'x', 'a.b.c']
    for (const id_token_hint of forged) {
      expectReturned(await ask({ prompt: 'none', id_token_hint }), 'invalid_request')
    }
  })

  it('id_token_hint is accepted after expiry and key rotation, and refused from another tenant or client (P-020)', async () => {
    const { id_token: own = '' } = await tokensFor(server, web, {}, agent)
    const returned = async (id_token_hint: string, client = web) =>
      (await agent.get(authorizeUrl(server, client, { prompt: 'none', id_token_hint }))).location
        ?.searchParams
    // Another tenant, and another client of this one.
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await server.core.signing.ensure('acme', requiredAlgs)
    await furnish(server, 'acme')
    const acme = { ...server, issuer: `${server.issuer}/t/acme` }
    const { id_token: theirs = '' } = await tokensFor(acme, web)
    expect((await returned(theirs))?.get('error')).to.equal('invalid_request')
    const loggingOut = `${server.issuer}/logout?${encode({ id_token_hint: theirs })}`
    expectErrorPage(await agent.get(loggingOut))
    await signIn(server, spa, {}, agent)
    expect((await returned(own, spa as never))?.get('error')).to.equal('invalid_request')

    const kidOf = (token: string) => decodeProtectedHeader(token).kid
    await server.core.signing.rotate(defaultTenant, 'RS256')
    travel(3600)
    await eventually('the successor signs', async () => {
      const { id_token = '' } = await tokensFor(server, web, {}, agent)
      return kidOf(id_token) !== kidOf(own)
    })
    expect((await returned(own))?.get('code')).to.be.a('string')
  })

  it('login and consent together ask for both, in this order (P-018, P-019)', async () => {
    await signIn(server, web, {}, agent)
    const both = { prompt: 'login consent' }
    const page = await agent.follow(await ask(both))
    expect(asksPassword(page)).to.equal(true)
    const { email: username, password } = alice
    const consent = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    expect(consent.root.querySelector('[name=decision]'), consent.body).not.to.equal(null)
    const { location } = await agent.follow(await agent.submit(consent))
    expect(location?.searchParams.get('code')).to.be.a('string')
  })

  it('a client may have a default_max_age, which a request overrides (P-019)', async () => {
    const aged = { ...web, client_id: 'aged', default_max_age: 30 }
    await server.core.clients.declare(defaultTenant, aged)
    await signIn(server, aged, {}, agent)
    travel(60)
    const none = { prompt: 'none' }
    expectReturned(await agent.get(authorizeUrl(server, aged, none)), 'login_required')
    const over = await agent.get(authorizeUrl(server, aged, { ...none, max_age: '1000' }))
    expect(over.location?.searchParams.get('code')).to.be.a('string')
  })

  it('consent asks again for what was granted before (P-018)', async () => {
    await signIn(server, web, {}, agent)
    const page = await agent.follow(await ask({ prompt: 'consent' }))
    expect(page.root.querySelector('[name=decision]'), page.body).not.to.equal(null)
    const refused = await agent.follow(await agent.submit(page, { button: '#deny' }))
    expectReturned(refused, 'access_denied')
  })

  it('a user who cancels is redirected with access_denied (RFC 6749 §4.1.2.1)', async () => {
    const page = await agent.follow(await ask({}))
    const cancelled = await agent.submit(page, { form: 'form[action$=abort]' })
    expectReturned(await agent.follow(cancelled), 'access_denied')
  })
})
