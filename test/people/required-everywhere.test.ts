import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { accountsRemoveFactors } from '../../src/cli/accounts-change.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { booted } from '../support/boot.ts'
import { askForResult, bank, startRequest } from '../support/ciba.ts'
import { askFor, enterCode, finishSteps, startDevice } from '../support/devices.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { expectRefusal, expectReturned, redeem, refresh, tokensIn } from '../support/protocol.ts'
import { codeOf, factorOwner, type Owner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, headingOf, textOf } from './story.ts'

const tenant = 'default'
const formOf = (page: Page) => page.root.querySelector('form')?.id
type Person = Pick<Owner, 'username' | 'password'> & Partial<Owner>

describe('people: a tenant that requires a second factor (ASVS 6.3.3, 6.3.4)', () => {
  const server = booted('embedded', {}, furnish)
  before(async () => {
    remember(bank.client_secret)
    await server.core.clients.declare(tenant, bank)
  })
  beforeEach(() => require(true))
  afterEach(backToPresent)

  const require = (requireMfa: boolean) => server.core.tenants.setPolicy(tenant, { requireMfa })

  /** Submits every form with what the person has, and sets up an app where one is required. */
  async function walk(agent: UserAgent, start: Page, person: Person): Promise<Page> {
    let { secret = '' } = person
    const { username, password } = person
    let page = await agent.follow(start)
    for (let i = 0; i < 9 && page.location === undefined; i++) {
      const form = formOf(page)
      const key = page.root.querySelector('#secret')?.textContent.replaceAll(' ', '')
      if (form === 'login-form') {
        page = await agent.submit(page, { fields: { username, password } })
      } else if (form === 'factor-form') {
        if (key !== undefined) remember((secret = key))
        page = await agent.submit(page, { fields: { otp: codeOf(secret) } })
        const codes = page.root.querySelectorAll('#recovery-codes code')
        remember(...codes.map(({ textContent }) => textContent))
      } else if (form === 'consent-form' || form === 'codes-form') page = await agent.submit(page)
      else break
      page = await agent.follow(page)
    }
    return page
  }

  /** A sign-in with the password only, before the tenant required more. */
  async function weak(person: Person, client = web) {
    await require(false)
    const fields = { scope: 'openid offline_access', prompt: 'consent' }
    const { agent, page } = await arrive(server, client, fields)
    const back = await walk(agent, page, person)
    const code = back.location?.searchParams.get('code') ?? ''
    return { agent, code }
  }

  it('code: an account without a factor sets one up at any client, and the tokens report it', async () => {
    const { agent, page } = await arrive(server, web)
    const back = await walk(agent, page, await somebody(server.core))
    const code = back.location?.searchParams.get('code') ?? ''
    const { access_token } = tokensIn(await redeem(server, web, code))
    expect(decodeJwt(access_token)).to.deep.include({
      ...{ acr: multiFactor, amr: ['pwd', 'otp', 'mfa'] },
    })
  })

  it('sessions: an older one needs the factor at the next client, which gets login_required for prompt=none', async () => {
    const person = await somebody(server.core)
    const { agent } = await weak(person)
    await require(true)
    const silent = await arrive(server, spa, { prompt: 'none' }, agent)
    expectReturned(silent.page, 'login_required')
    const { page } = await arrive(server, spa, {}, agent)
    expect(formOf(await agent.follow(page))).to.equal('login-form')
    const back = await walk(agent, page, person)
    expect(back.location?.searchParams.get('code')).to.be.a('string')
    expect(await server.core.factors.asked(tenant, person.id)).to.equal(true)
  })

  it('sessions: an older one cannot read or change the account pages, but can sign out', async () => {
    const { agent } = await weak(await somebody(server.core))
    const account = await agent.follow(await agent.get(`${server.issuer}/account`))
    const profile = await agent.follow(await agent.get(`${server.issuer}/account/profile`))
    expect(headingOf(profile)).not.to.match(/sign in/i)
    await require(true)
    for (const path of ['', '/profile', '/sessions', '/factors', '/password', '/data', '/email']) {
      const led = await agent.follow(await agent.get(`${server.issuer}/account${path}`))
      expect(formOf(led), path).to.equal('login-form')
    }
    const sent = await agent.submit(profile, { form: '#profile-form', fields: { name: 'Changed' } })
    expect(formOf(await agent.follow(sent))).to.equal('login-form')
    const out = await agent.follow(await agent.submit(account, { form: '#sign-out-form' }))
    expect(headingOf(out)).to.match(/signed out/i)
    await require(false)
    const { page } = await arrive(server, web, { prompt: 'none' }, agent)
    expectReturned(page, 'login_required')
  })

  it('tokens: the code of a weaker sign-in is refused; tokens issued before can be refreshed', async () => {
    const person = await somebody(server.core)
    const tokens = tokensIn(await redeem(server, web, (await weak(person)).code))
    const { code } = await weak(person)
    await require(true)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    tokensIn(await refresh(server, web, tokens))
  })

  it('device: the user signs in with both factors, or the device gets no tokens', async () => {
    const [person, owner] = [await somebody(server.core), await factorOwner(server.core)]
    const without = await startDevice(server)
    const agent = createUserAgent()
    await finishSteps(agent, await enterCode(server, agent, without.user_code), person)
    expect((await askFor(server, without)).status).to.equal(400)

    const started = await startDevice(server)
    const other = createUserAgent()
    const confirm = await enterCode(server, other, started.user_code)
    await walk(other, await other.submit(confirm), owner)
    travel(6)
    const { access_token } = tokensIn(await askFor(server, started))
    expect(decodeJwt(access_token)['acr']).to.equal(multiFactor)
  })

  it('CIBA: an older session cannot allow a request', async () => {
    const person = await somebody(server.core)
    const { agent } = await weak(person)
    const request = await startRequest(server, { login_hint: person.username })
    const account = await agent.follow(await agent.get(`${server.issuer}/account`))
    const link = account.root.querySelector('#requests a.kt-request')?.getAttribute('href') ?? ''
    const page = await agent.follow(await agent.get(new URL(link, account.url)))
    await require(true)
    const led = await agent.follow(await agent.submit(page))
    expect(formOf(led)).to.equal('login-form')
    expectRefusal(await askForResult(server, request), 400, 'authorization_pending')
  })

  it('CIBA: the result of a request that was allowed before is refused', async () => {
    const person = await somebody(server.core)
    const { agent } = await weak(person)
    const request = await startRequest(server, { login_hint: person.username })
    const account = await agent.follow(await agent.get(`${server.issuer}/account`))
    const link = account.root.querySelector('#requests a.kt-request')?.getAttribute('href') ?? ''
    await agent.submit(await agent.follow(await agent.get(new URL(link, account.url))))
    await require(true)
    expectRefusal(await askForResult(server, request), 400, 'invalid_grant')
  })

  it('a password reset by mail does not bypass the factor (ASVS 6.4.3)', async () => {
    const person = await somebody(server.core)
    const agent = createUserAgent({ origin: server.issuer })
    const asked = await agent.get(`${server.issuer}/password/forgot`)
    await agent.submit(asked, { fields: { username: person.username } })
    const isReset = ({ to, link }: { to: string; link: string | undefined }) =>
      to === person.username && link !== undefined
    const { link } = await nextMail('a reset', () => writtenMail(server), isReset)
    const password = 'something that is quite new 3'
    remember(password)
    const fields = { new_password: password, confirm_password: password }
    await agent.submit(await agent.get(link as string), { fields })
    const { page } = await arrive(server, web, {}, agent)
    const login = { fields: { username: person.username, password } }
    const shown = await agent.follow(await agent.submit(await agent.follow(page), login))
    expect(shown.root.querySelector('#secret')).not.to.equal(null)
  })

  it('the last factor cannot be removed, even concurrently; after an operator removes it another is set up', async () => {
    const owner = await factorOwner(server.core)
    const { factors } = server.core
    const secret = newTotpSecret()
    remember(secret)
    const app = { secret, name: 'Tablet', code: codeOf(secret), onlyFirst: false }
    await factors.add(tenant, owner.id, app, { by: 'owner' })
    const both = await factors.list(tenant, owner.id)
    const removed = await Promise.all(
      both.map(({ id }) => factors.remove(tenant, owner.id, id, { by: 'owner' })),
    )
    expect(removed).to.have.members([true, 'required'])
    const [left] = await factors.list(tenant, owner.id)
    expect(left).not.to.equal(undefined)

    const agent = createUserAgent({ origin: server.issuer })
    const own = left?.name === 'Tablet' ? secret : owner.secret
    travel(30)
    const list = await walk(agent, await agent.get(`${server.issuer}/account/factors`), {
      ...owner,
      secret: own,
    })
    const refused = await agent.submit(list, { form: `#remove-${left?.id}` })
    expect(refused.status).to.equal(409)
    expect(textOf(refused)).to.include('Everybody signs in with two steps here')

    await accountsRemoveFactors.execute(server.core, { tenant, identifier: owner.username })
    const again = await arrive(server, web)
    const { username, password } = owner
    const login = { fields: { username, password } }
    const shown = await again.agent.follow(await again.agent.submit(again.page, login))
    expect(shown.root.querySelector('#secret')).not.to.equal(null)
  })

  it('does not affect other tenants', async () => {
    const { core } = server
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    const acme = { ...server, issuer: `${server.issuer}/t/acme` }
    const { account } = await core.accounts.create('acme', {
      ...{ email: 'free@example.com', password: 'a second factor beside it' },
    })
    const { agent, page } = await arrive(acme, web)
    const person = { username: account.email, password: 'a second factor beside it' }
    const back = await walk(agent, page, person)
    expect(back.location?.searchParams.get('code')).to.be.a('string')
    expect(await core.factors.asked('acme', account.id)).to.equal(false)
  })
})
