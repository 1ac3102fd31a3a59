import { expect } from 'chai'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { type Page } from '../support/http-exchange.ts'
import { refresh, tokensFor } from '../support/protocol.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFault, expectFormAgain, headingOf, textOf } from './story.ts'

const tenant = 'default'
const formOf = (page: Page) => page.root.querySelector('form')?.id

interface Person {
  id: string
  username: string
  password: string
  secret?: string
}

describe('people: managing second factors', () => {
  const server = booted(anyStorage, {}, furnish)
  afterEach(backToPresent)

  /** The list of factors, after a sign-in if it takes one. */
  async function openList(person: Person, agent: UserAgent = createUserAgent()) {
    let page = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    if (formOf(page) === 'login-form') {
      const { username, password } = person
      page = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    }
    if (formOf(page) === 'factor-form') {
      const fields = { otp: codeOf(person.secret ?? '') }
      page = await agent.follow(await agent.submit(page, { fields }))
    }
    expect(headingOf(page), page.body).to.equal('Two-step sign-in')
    return { agent, page }
  }

  async function startSetUp(agent: UserAgent, list: Page) {
    const page = await agent.follow(await agent.submit(list, { form: '#add-factor-form' }))
    const secret = page.root.querySelector('#secret')?.textContent.replaceAll(' ', '') ?? ''
    expect(secret).to.match(/^[A-Z2-7]{32}$/)
    remember(secret)
    return { page, secret }
  }

  const codesOn = (page: Page) =>
    page.root.querySelectorAll('#recovery-codes code').map(({ textContent }) => textContent)

  async function eventsOf(accountId: string) {
    return server.core.database.query<{ type: string; ip: string; detail: object }>(
      `select type, ip, detail from audit_events
       where type <> 'account.signed_in' and account_id = $1 and type like 'account.%' order by at, id`,
      [accountId],
    )
  }

  it('adds an app after its first right code, and shows recovery codes once', async () => {
    const person = await somebody(server.core)
    const { agent, page: list } = await openList(person)
    expect(textOf(list)).to.include('You have added nothing yet')
    const { page, secret } = await startSetUp(agent, list)
    const source = page.root.querySelector('#qr-code')?.getAttribute('src') ?? ''
    const picture = await agent.get(new URL(source, page.url))
    expect(picture.headers.get('content-type')).to.match(/^image\/svg\+xml/)
    expect(picture.headers.get('cache-control')).to.equal('no-store')
    expect(picture.body).to.match(/^<svg /)

    const wrong = await agent.submit(page, { fields: { name: 'My <phone>', otp: '000000' } })
    expectFormAgain(wrong, 400, 'factor-form', /This code is wrong/)
    expect(wrong.root.querySelector('#name')?.getAttribute('value')).to.equal('My <phone>')
    expect(await server.core.factors.asked(tenant, person.id), 'not before').to.equal(false)

    const shown = await agent.submit(wrong, { fields: { otp: codeOf(secret) } })
    expect([shown.status, headingOf(shown)]).to.deep.equal([200, 'Your recovery codes'])
    const codes = codesOn(shown)
    remember(...codes)
    expect(new Set(codes)).to.have.property('size', 10)
    const again = await agent.follow(await agent.submit(wrong, { fields: { otp: codeOf(secret) } }))
    expect(codesOn(again), 'nothing left to confirm').to.deep.equal([])

    const { page: now } = await openList(
      { ...person, secret },
      await signedInAfresh(person, secret),
    )
    expect(textOf(now)).to.include('My <phone>').and.include('10 codes are left')
    expect((await eventsOf(person.id)).map(({ type }) => type)).to.have.members([
      ...['account.created', 'account.factor_added', 'account.recovery_codes_made'],
    ])
  })

  /** A browser that has just signed in with the next code, as the current one is used. */
  async function signedInAfresh({ username, password }: Person, secret: string) {
    const { agent, page } = await arrive(server, web)
    const asked = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    await agent.follow(await agent.submit(asked, { fields: { otp: codeOf(secret, 1) } }))
    return agent
  }

  it('adds an app once when it is confirmed many times at once, and accepts each of its codes once (C20, ASVS 6.5.1)', async () => {
    const owner = await factorOwner(server.core)
    const secret = newTotpSecret()
    remember(secret)
    const app = { secret, name: 'Tablet', code: codeOf(secret), onlyFirst: false }
    const add = () => server.core.factors.add(tenant, owner.id, app, { by: 'owner' })
    const added = await Promise.all([add(), add(), add()])
    expect(added).to.have.deep.members([{}, 'known', 'known'])
    const known = await server.core.factors.list(tenant, owner.id)
    expect(known.map(({ name }) => name)).to.deep.equal(['Phone', 'Tablet'])
    const next = codeOf(secret, 1)
    const check = () => server.core.factors.check(tenant, owner.id, next, { ip: '127.0.0.1' })
    expect([await check(), await check()]).to.deep.equal(['totp', undefined])
  })

  it('renames and removes a factor; recovery codes are deleted with the last one', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await openList(owner)
    const [factor] = await server.core.factors.list(tenant, owner.id)
    const name = `  New \n\0 name ${'\u{1f511}'.repeat(60)}`
    const rename = { form: `#rename-${factor?.id}`, fields: { name } }
    const renamed = await agent.follow(await agent.submit(page, rename))
    expect(textOf(renamed)).to.include('New name \u{1f511}').and.not.include('\ufffd')
    const removed = await agent.follow(
      await agent.submit(renamed, { form: `#remove-${factor?.id}` }),
    )
    expect(textOf(removed)).to.include('You have added nothing yet')
    expect(await server.core.factors.codesLeft(tenant, owner.id)).to.equal(0)
    const events = await eventsOf(owner.id)
    expect(events.map(({ type }) => type)).to.include.members([
      ...['account.factor_renamed', 'account.factor_removed'],
    ])
    const { ip, detail } = events.find(({ type }) => type === 'account.factor_removed') ?? {}
    expect([ip, detail]).to.deep.equal([
      ...['127.0.0.1', { by: 'owner', factor: factor?.id, kind: 'totp', left: 0 }],
    ])
  })

  it('neither renames nor removes the factor of another account', async () => {
    const [owner, thief] = [await factorOwner(server.core), await factorOwner(server.core)]
    const { agent, page } = await openList(thief)
    const [theirs] = await server.core.factors.list(tenant, owner.id)
    const [own] = await server.core.factors.list(tenant, thief.id)
    for (const change of ['rename', 'remove']) {
      const form = page.root.querySelector(`#${change}-${own?.id}`)
      const csrf = form?.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
      const url = `${server.issuer}/account/factors/${theirs?.id}/${change}`
      await agent.post(url, { csrf, name: 'stolen' })
    }
    expect(await server.core.factors.list(tenant, owner.id)).to.deep.equal([theirs])
  })

  it('voids the earlier recovery codes when new ones are made', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await openList(owner)
    const shown = await agent.submit(page, { form: '#codes-form' })
    const codes = codesOn(shown)
    remember(...codes)
    expect(codes).to.have.length(10)
    const { check } = server.core.factors
    const [old = ''] = owner.recoveryCodes
    expect(await check(tenant, owner.id, old, { ip: '' })).to.equal(undefined)
    expect(await check(tenant, owner.id, codes[0] ?? '', { ip: '' })).to.equal('recovery')
  })

  it('requires a sign-in of the last five minutes for each page and each change (ASVS 7.5.1)', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await openList(owner)
    const [factor] = await server.core.factors.list(tenant, owner.id)
    travel(301)
    for (const form of ['#add-factor-form', '#codes-form', `#remove-${factor?.id}`]) {
      const asked = await agent.follow(await agent.submit(page, { form }))
      expect(formOf(asked), form).to.equal('login-form')
    }
    const seen = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    expect(formOf(seen)).to.equal('login-form')
    expect(await server.core.factors.list(tenant, owner.id)).to.deep.equal([factor])
    const asked = await agent.follow(await agent.submit(page, { form: '#codes-form' }))
    const { username, password, secret } = owner
    const next = await agent.follow(await agent.submit(asked, { fields: { username, password } }))
    const back = await agent.follow(await agent.submit(next, { fields: { otp: codeOf(secret) } }))
    expect(headingOf(back), 'leads back to the list').to.equal('Two-step sign-in')
  })

  it('requires the factor from a session older than it (C7, ASVS 7.5.1)', async () => {
    const person = await somebody(server.core)
    const { agent, page } = await openList(person)
    const secret = newTotpSecret()
    const app = { secret, name: 'Elsewhere', code: codeOf(secret, -1), onlyFirst: true }
    await server.core.factors.add(tenant, person.id, app, { by: 'owner' })
    const asked = await agent.follow(await agent.submit(page, { form: '#add-factor-form' }))
    expect(formOf(asked)).to.equal('login-form')
    const { page: list } = await openList({ ...person, secret }, agent)
    expect(textOf(list)).to.include('Elsewhere')
  })

  it('ends the other sessions only on request (ASVS 7.4.3)', async () => {
    const owner = await factorOwner(server.core)
    const other = await openList({ ...owner, secret: owner.secret })
    const own = await openListLater(owner)
    const sessionsOf = async () => (await server.core.sessions.list(tenant, owner.id)).length
    expect(await sessionsOf()).to.equal(2)
    const held = await tokensFor(server, web, { scope: 'openid offline_access' }, other.agent)
    const { page, secret } = await startSetUp(own.agent, own.page)
    await own.agent.submit(page, { fields: { otp: codeOf(secret) } })
    expect(await sessionsOf(), 'not requested').to.equal(2)
    const [factor] = await server.core.factors.list(tenant, owner.id)
    const form = `#remove-${factor?.id}`
    await own.agent.submit(own.page, { form, fields: { end_others: 'yes' } })
    expect(await sessionsOf()).to.equal(1)
    expect((await refresh(server, web, held)).status, 'access from the other session').to.equal(400)
    const seen = await other.agent.follow(await other.agent.get(`${server.issuer}/account`))
    expect(formOf(seen)).to.equal('login-form')
  })

  /** A second browser, half a minute later: each code is accepted once. */
  async function openListLater(person: Person) {
    travel(30)
    return openList(person)
  }

  it('allows five factors', async () => {
    const owner = await factorOwner(server.core)
    const add = () => {
      const secret = newTotpSecret()
      const app = { secret, name: '', code: codeOf(secret), onlyFirst: false }
      return server.core.factors.add(tenant, owner.id, app, { by: 'owner' })
    }
    const added = await Promise.all(Array.from({ length: 6 }, add))
    expect(added.filter((each) => each === 'full')).to.have.length(2)
    const { page } = await openList(owner)
    expect(page.root.querySelector('#add-factor-form')).to.equal(null)
    expect(textOf(page)).to.include('reached the limit')
  })

  it('adds no factor for a sign-in that was voided meanwhile, and makes no codes without a factor (C6, C7)', async () => {
    const person = await somebody(server.core)
    const verifiedAt = server.core.clock.now()
    await server.core.accounts.voidSignIns(tenant, [person.id])
    const secret = newTotpSecret()
    const app = { secret, name: '', code: codeOf(secret, -1), onlyFirst: true, verifiedAt }
    expect(await server.core.factors.add(tenant, person.id, app, { by: 'owner' })).to.equal('ended')
    expect(await server.core.factors.list(tenant, person.id)).to.deep.equal([])
    expect(await server.core.factors.makeCodes(tenant, person.id, { by: 'owner' })).to.deep.equal(
      [],
    )
    expect(await server.core.factors.codesLeft(tenant, person.id)).to.equal(0)
  })

  it('refuses forms of another site or session (C23)', async () => {
    const owner = await factorOwner(server.core)
    const other = await openList(owner)
    const { agent } = await openListLater(owner)
    const foreign = other.page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    expect(foreign).to.not.equal('')
    for (const path of ['new', 'new/confirm', 'codes', 'x/rename', 'x/remove']) {
      for (const csrf of ['x', foreign]) {
        const refused = await agent.post(`${server.issuer}/account/factors/${path}`, { csrf })
        expectFault(refused, 403, /could not confirm/)
      }
    }
    const stranger = createUserAgent()
    const picture = await stranger.get(`${server.issuer}/account/factors/new/qr.svg`)
    expect(picture.status).to.equal(404)
  })
})
