import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { accountsRemoveFactors, accountsReset } from '../../src/cli/accounts-change.ts'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { askForResult, bank, outcomeOf, startRequest } from '../support/ciba.ts'
import { askFor, enterCode, finishSteps, startDevice } from '../support/devices.ts'
import { furnish, tv, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { expectRefusal, expectReturned, redeem, refresh, tokensIn } from '../support/protocol.ts'
import { codeOf, factorOwner, type Owner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFormAgain, headingOf } from './story.ts'

const tenant = 'default'
const formOf = (page: Page) => page.root.querySelector('form')?.id
type Person = Pick<Owner, 'username' | 'password'> & Partial<Owner>

describe('people: a client that requires a second factor (ASVS 6.3.3, 6.3.4)', () => {
  const server = booted(anyStorage, {}, furnish)
  before(async () => {
    remember(bank.client_secret)
  })
  afterEach(async () => {
    backToPresent()
    await declare(true)
  })

  async function declare(require_mfa: boolean): Promise<void> {
    for (const client of [web, tv, bank]) {
      await server.core.clients.declare(tenant, { ...client, require_mfa })
    }
  }
  before(() => declare(true))

  /** Submits every form with what the person has. */
  async function walk(agent: UserAgent, start: Page, person: Person): Promise<Page> {
    const { username, password, secret = '' } = person
    let page = await agent.follow(start)
    for (let i = 0; i < 8 && page.location === undefined; i++) {
      const form = formOf(page)
      if (form === 'login-form') {
        page = await agent.submit(page, { fields: { username, password } })
      } else if (form === 'factor-form' && page.root.querySelector('#secret') === null) {
        page = await agent.submit(page, { fields: { otp: codeOf(secret) } })
      } else if (form === 'consent-form') page = await agent.submit(page)
      else break
      page = await agent.follow(page)
    }
    return page
  }

  /** A browser at the set-up of a first factor, and the secret shown there. */
  async function atSetUp(person: Person) {
    const { agent, page } = await arrive(server, web)
    const shown = await walk(agent, page, person)
    expect(headingOf(shown)).to.equal('Add an authenticator app')
    const secret = shown.root.querySelector('#secret')?.textContent.replaceAll(' ', '') ?? ''
    remember(secret)
    return { agent, page: shown, secret }
  }

  async function expectSignedOut(agent: UserAgent): Promise<void> {
    const { page } = await arrive(server, web, { prompt: 'none' }, agent)
    expectReturned(page, 'login_required')
  }

  it('code: an account without a factor sets one up during sign-in, and gets recovery codes', async () => {
    const person = await somebody(server.core)
    const { agent, page, secret } = await atSetUp(person)
    const source = page.root.querySelector('#qr-code')?.getAttribute('src') ?? ''
    const picture = await agent.get(new URL(source, page.url))
    expect([picture.status, picture.headers.get('content-type')]).to.deep.equal([
      ...[200, 'image/svg+xml'],
    ])
    const wrong = await agent.submit(page, { fields: { otp: '000000', name: 'Phone' } })
    expectFormAgain(wrong, 400, 'factor-form', /This code is wrong/)
    await expectSignedOut(agent)
    const codes = await agent.submit(wrong, { fields: { otp: codeOf(secret) } })
    expect(headingOf(codes)).to.equal('Your recovery codes')
    const shown = codes.root.querySelectorAll('#recovery-codes code')
    remember(...shown.map(({ textContent }) => textContent))
    expect(shown).to.have.length(10)
    await expectSignedOut(agent)
    const again = await agent.get(page.url)
    expect(again.root.querySelectorAll('#recovery-codes code'), 'shown once').to.have.length(0)
    const back = await walk(agent, await agent.submit(codes), person)
    const code = back.location?.searchParams.get('code') ?? ''
    const { access_token } = tokensIn(await redeem(server, web, code))
    expect(decodeJwt(access_token)).to.deep.include({
      ...{ acr: multiFactor, amr: ['pwd', 'otp', 'mfa'] },
    })
    const [factor] = await server.core.factors.list(tenant, person.id)
    expect(factor?.name).to.equal('Phone')
  })

  it('code: a password alone does not add a factor if there is one by then (C7)', async () => {
    const person = await somebody(server.core)
    const [one, two] = [await atSetUp(person), await atSetUp(person)]
    const fields = ({ secret }: { secret: string }) => ({ fields: { otp: codeOf(secret) } })
    const [first, second] = await Promise.all([
      one.agent.submit(one.page, fields(one)),
      two.agent.submit(two.page, fields(two)),
    ])
    for (const each of [first, second]) {
      remember(
        ...each.root.querySelectorAll('#recovery-codes code').map(({ textContent }) => textContent),
      )
    }
    expect([first.status, second.status]).to.have.members([200, 400])
    expect(await server.core.factors.list(tenant, person.id)).to.have.length(1)
  })

  it('code: the set-up cannot be skipped by a request to another step or from another interaction (C7)', async () => {
    const person = await somebody(server.core)
    const { agent, page, secret } = await atSetUp(person)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const otp = codeOf(secret)
    for (const step of ['codes', 'factor', 'password', 'consent', 'set-up']) {
      const passed = await agent.post(`${page.url.href}/${step}`, {
        ...{ csrf, decision: 'allow', new_password: 'x', confirm_password: 'x' },
        ...(step === 'set-up' ? {} : { otp }),
      })
      expect(passed.status, step).to.equal(400)
    }
    const owner = await factorOwner(server.core)
    const other = await arrive(server, web, {}, agent)
    const { username, password } = owner
    const asked = await agent.follow(
      await agent.submit(other.page, { fields: { username, password } }),
    )
    const own = asked.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    for (const step of ['set-up', 'codes']) {
      const fields = { csrf: own, otp: codeOf(owner.secret) }
      const crossed = await agent.post(`${asked.url.href}/${step}`, fields)
      expect([crossed.status, formOf(crossed)], step).to.deep.equal([400, 'login-form'])
    }
    await expectSignedOut(agent)
    expect(await server.core.factors.list(tenant, person.id)).to.deep.equal([])
  })

  it('code: the set-up ends when the sessions of the account are ended (C6)', async () => {
    const person = await somebody(server.core)
    const { agent, page, secret } = await atSetUp(person)
    const account = await server.core.accounts.byIdentifier(tenant, person.username)
    if (!account) throw new Error('no such account')
    await server.core.revocations.logOutEverywhere(account)
    const refused = await agent.submit(page, { fields: { otp: codeOf(secret) } })
    expect([refused.status, formOf(refused)]).to.deep.equal([400, 'login-form'])
    expect(await server.core.factors.asked(tenant, person.id)).to.equal(false)
  })

  it('code: an existing factor is required once per session', async () => {
    const owner = await factorOwner(server.core)
    const strong = await arrive(server, web)
    const back = await walk(strong.agent, strong.page, owner)
    const code = back.location?.searchParams.get('code') ?? ''
    const { access_token } = tokensIn(await redeem(server, web, code))
    expect(decodeJwt(access_token)['acr']).to.equal(multiFactor)
    const silent = await arrive(server, web, { prompt: 'none' }, strong.agent)
    expect(silent.page.location?.search).to.include('code=')
  })

  it('code and refresh token: those of a weaker sign-in are refused', async () => {
    await declare(false)
    const person = await somebody(server.core)
    const fields = { scope: 'openid offline_access', prompt: 'consent' }
    const codeOfWeak = async () => {
      const { agent, page } = await arrive(server, web, fields)
      const back = await walk(agent, page, person)
      return { agent, code: back.location?.searchParams.get('code') ?? '' }
    }
    const tokens = tokensIn(await redeem(server, web, (await codeOfWeak()).code))
    const { agent, code } = await codeOfWeak()
    await declare(true)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
    const { page } = await arrive(server, web, { prompt: 'none' }, agent)
    expectReturned(page, 'login_required')
  })

  it('device: the user signs in with both factors, or the device gets no tokens', async () => {
    const [person, owner] = [await somebody(server.core), await factorOwner(server.core)]
    const weak = await startDevice(server)
    const agent = createUserAgent()
    await finishSteps(agent, await enterCode(server, agent, weak.user_code), person)
    const refused = await askFor(server, weak)
    expect(refused.status, refused.body).to.equal(400)

    const strong = await startDevice(server)
    const other = createUserAgent()
    const confirm = await enterCode(server, other, strong.user_code)
    await walk(other, await other.submit(confirm), owner)
    travel(6)
    const { access_token } = tokensIn(await askFor(server, strong))
    expect(decodeJwt(access_token)).to.deep.include({
      ...{ acr: multiFactor, amr: ['pwd', 'otp', 'mfa'] },
    })
  })

  it('CIBA: a weaker session signs in again, and an account without a factor is asked to add one', async () => {
    const [person, owner] = [await somebody(server.core), await factorOwner(server.core)]
    const open = async (who: Person, agent: UserAgent) => {
      const account = await walk(agent, await agent.get(`${server.issuer}/account`), who)
      const link = account.root.querySelector('#requests a.kt-request')?.getAttribute('href') ?? ''
      return agent.follow(await agent.get(new URL(link, account.url)))
    }
    await startRequest(server, { login_hint: person.username })
    const led = await open(person, createUserAgent())
    expect(headingOf(led)).to.equal('Two-step sign-in')

    const request = await startRequest(server, { login_hint: owner.username })
    const agent = createUserAgent()
    const page = await open(owner, agent)
    expect(headingOf(page)).to.match(/asks you to sign in/)
    // Weaker than when the page was shown, as if the session were older than the factor.
    await server.core.database.execute('update sessions set acr = null where account_id = $1', [
      owner.id,
    ])
    const again = await agent.follow(await agent.submit(page))
    expect(formOf(again), 'not allowed yet').to.equal('login-form')
    travel(30)
    const back = await walk(agent, again, owner)
    expect(outcomeOf(await agent.submit(back))).to.equal('allowed')
    const { access_token } = tokensIn(await askForResult(server, request))
    expect(decodeJwt(access_token)['acr']).to.equal(multiFactor)
  })

  it('an operator’s reset keeps the factors; only remove-factors removes them (ASVS 6.4.3, 6.4.4)', async () => {
    const owner = await factorOwner(server.core)
    const wanted = { tenant, identifier: owner.username }
    const { one_time_password } = (await accountsReset.execute(server.core, wanted)) as {
      one_time_password: string
    }
    remember(one_time_password)
    expect(await server.core.factors.asked(tenant, owner.id)).to.equal(true)
    const { removed } = await accountsRemoveFactors.execute(server.core, wanted)
    expect(removed).to.equal(1)
    expect(await server.core.factors.asked(tenant, owner.id)).to.equal(false)
    expect(await server.core.factors.codesLeft(tenant, owner.id)).to.equal(0)
    const again = await accountsRemoveFactors.execute(server.core, wanted)
    expect(again.removed).to.equal(0)
    const [event] = await server.core.database.query<{ detail: object; ip: string | null }>(
      `select detail, ip from audit_events
       where account_id = $1 and type = 'account.factor_removed'`,
      [owner.id],
    )
    expect(event?.detail).to.deep.include({ by: 'operator', kind: 'totp', left: 0 })
    expect(event?.ip).to.equal(null)
  })
})
