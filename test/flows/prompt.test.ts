import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, onEachStorage, type TestServer } from '../support/boot.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
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

onEachStorage('prompt and max_age', (kind) => {
  let server: TestServer
  let agent: UserAgent
  before(async () => {
    server = await boot(kind)
    await furnish(server)
    await server.core.accounts.declare(defaultTenant, bob)
  })
  beforeEach(() => {
    agent = createUserAgent()
  })
  after(() => server?.stop())
  afterEach(backToPresent)

  const ask = (fields: Fields, browser = agent) => browser.get(authorizeUrl(server, web, fields))
  const asksPassword = (page: Page) => page.root.querySelector('input[name=password]') !== null
  const claimsIn = (idToken: string | undefined) => decodeJwt(idToken ?? '')

  it('none asks nobody anything (P-018)', async () => {
    expectReturned(await ask({ prompt: 'none' }), 'login_required')
    await signIn(server, spa, {}, agent)
    expectReturned(await ask({ prompt: 'none' }), 'consent_required')
    await signIn(server, web, {}, agent)
    const { location } = await ask({ prompt: 'none' })
    expect(location?.searchParams.get('code')).to.be.a('string')
    expectReturned(await ask({ prompt: 'none', scope: 'openid email' }), 'consent_required')
  })

  it('none contradicts every other prompt, and unknown prompts are refused (P-018)', async () => {
    await signIn(server, web, {}, agent)
    for (const prompt of ['none login', 'none consent', 'login none', 'x', 'none x', 'NONE']) {
      expectReturned(await ask({ prompt }), 'invalid_request')
    }
  })

  it('login asks again although somebody is signed in, and auth_time moves (P-019)', async () => {
    const first = claimsIn((await tokensFor(server, web, {}, agent)).id_token)
    travel(100)
    const page = await agent.follow(await ask({ prompt: 'login' }))
    expect(asksPassword(page)).to.equal(true)
    const again = await tokensFor(server, web, { prompt: 'login' }, agent)
    expect(claimsIn(again.id_token)['auth_time']).to.equal((first['auth_time'] as number) + 100)
  })

  it('login cannot be answered by coming back without signing in (P-019)', async () => {
    await signIn(server, web, {}, agent)
    const first = await ask({ prompt: 'login' })
    const uid = first.location?.pathname.split('/').at(-1)
    const resumed = await agent.get(`${server.issuer}/authorize/${uid}`)
    const page = await agent.follow(resumed)
    expect(page.location?.searchParams.has('code') ?? false).to.equal(false)
  })

  it('max_age asks again only when the sign-in is older (P-019)', async () => {
    const signedIn = claimsIn((await tokensFor(server, web, {}, agent)).id_token)
    travel(100)
    const recent = await ask({ max_age: '200', prompt: 'none' })
    const code = recent.location?.searchParams.get('code') ?? ''
    const claims = claimsIn(tokensIn(await redeem(server, web, code)).id_token)
    expect(claims['auth_time']).to.equal(signedIn['auth_time'])
    expectReturned(await ask({ max_age: '50', prompt: 'none' }), 'login_required')
    expect(asksPassword(await agent.follow(await ask({ max_age: '50' })))).to.equal(true)
  })

  it('max_age=0 is prompt=login (P-019)', async () => {
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

  it('id_token_hint of somebody else is login_required, and a forged one is refused (P-020, ASVS 9.1.1)', async () => {
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

  it('consent asks again what was allowed before (P-018)', async () => {
    await signIn(server, web, {}, agent)
    const page = await agent.follow(await ask({ prompt: 'consent' }))
    expect(page.root.querySelector('[name=decision]'), page.body).not.to.equal(null)
    const refused = await agent.follow(await agent.submit(page, { button: '#deny' }))
    expectReturned(refused, 'access_denied')
  })

  it('a person who cancels sends access_denied back (RFC 6749 §4.1.2.1)', async () => {
    const page = await agent.follow(await ask({}))
    const cancelled = await agent.submit(page, { form: 'form[action$=abort]' })
    expectReturned(await agent.follow(cancelled), 'access_denied')
  })
})
