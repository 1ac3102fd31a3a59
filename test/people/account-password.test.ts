import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { waitingForRows } from '../outages/load.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { refresh, tokensFor } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { accountOf, open, type Person, signedIn, somebody } from './account.story.ts'
import { expectFormAgain } from './story.ts'

const chosen = 'painting the roses red 7'
const path = '/account/password'

describe('people: changing the password', () => {
  const server = booted(anyStorage, {}, furnish)
  before(async () => {
    remember(alice.password, chosen)
  })
  afterEach(() => backToPresent())

  async function change(
    agent: UserAgent,
    person: Person,
    fields: Record<string, string> = {},
  ): Promise<Page> {
    const page = await open(server, path, person, agent)
    const usual = {
      current_password: person.password,
      new_password: chosen,
      confirm_password: chosen,
    }
    return agent.submit(page, { form: '#password-form', fields: { ...usual, ...fields } })
  }
  /** The same without ending other sessions. @returns the submission, to be started later */
  async function changeHere(agent: UserAgent, person: Person): Promise<() => Promise<Page>> {
    const page = await open(server, path, person, agent)
    expect(page.root.querySelector('#others')?.hasAttribute('checked'), 'the default').to.equal(
      true,
    )
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const form = { csrf, current_password: person.password, new_password: chosen }
    return () => agent.post(`${server.issuer}${path}`, { ...form, confirm_password: chosen })
  }
  async function signsIn(person: Person, password: string): Promise<boolean> {
    const agent = createUserAgent()
    return (
      (await open(server, '/account', { ...person, password }, agent)).url.pathname === '/account'
    )
  }

  it('accepts the new password, refuses the old one, ends all other sessions and renews the handle of this one (ASVS 6.2.2, 7.2.4, 7.4.3)', async () => {
    const person = await somebody(server)
    const [here, there] = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    const kept = await tokensFor(server, web, { scope: 'openid offline_access' }, here)
    const lost = await tokensFor(server, web, { scope: 'openid offline_access' }, there)
    const before = await here.cookies(server.issuer)

    const changed = await change(here, person)
    expect(changed.status).to.equal(303)
    const page = await here.follow(changed)
    expect(page.root.querySelector('[role=status]')?.textContent).to.match(
      /password has been changed/,
    )

    const handle = (cookies: typeof before) =>
      cookies.find(({ key }) => key === 'keyturn.default.session')?.value
    expect(handle(await here.cookies(server.issuer))).not.to.equal(handle(before))
    const [cookie = ''] = changed.headers.getSetCookie()
    expect(cookie).to.match(/; path=\/; expires=.*; samesite=lax; httponly$/i)
    const thief = createUserAgent()
    for (const one of before) await thief.jar.setCookie(one, server.issuer)
    expect((await thief.get(`${server.issuer}/account`)).status, 'old handle').to.equal(303)
    expect((await there.get(`${server.issuer}/account`)).status, 'other browser').to.equal(303)
    expect((await refresh(server, web, lost)).status).to.equal(400)
    expect((await refresh(server, web, kept)).status).to.equal(200)
    expect((await here.get(`${server.issuer}/account`)).status).to.equal(200)
    expect(await signsIn(person, person.password)).to.equal(false)
    expect(await signsIn(person, chosen)).to.equal(true)
  })

  it('keeps the other sessions if the user wants that', async () => {
    const person = await somebody(server)
    const [here, there] = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    await (await changeHere(here, person))()
    expect(await signsIn(person, chosen)).to.equal(true)
    expect((await there.get(`${server.issuer}/account`)).status).to.equal(200)
  })

  it('says what is wrong and changes nothing (ASVS 6.2.3)', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    for (const [fields, status, reason] of [
      [{ current_password: '' }, 400, /all three/],
      [{ confirm_password: 'something else entirely' }, 400, /differ/],
      [{ current_password: 'not the current one' }, 403, /not your current password/],
      [{ new_password: 'short', confirm_password: 'short' }, 400, /too short/],
      [
        { new_password: person.password, confirm_password: person.password },
        400,
        /That is your current password/,
      ],
      [{ new_password: 'passwordpassword', confirm_password: 'passwordpassword' }, 400, /leak/],
      [{ new_password: person.email, confirm_password: person.email }, 400, /little more than/],
    ] as const) {
      expectFormAgain(await change(agent, person, fields), status, 'password-form', reason)
    }
    expect(await signsIn(person, person.password)).to.equal(true)
  })

  it('counts wrong current passwords like those of a sign-in: during a pause the right one fails too (C9)', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    for (let i = 0; i < 15; i++) await change(agent, person, { current_password: `wrong ${i}` })
    expectFormAgain(await change(agent, person), 403, 'password-form', /is paused/)
    const { id } = await accountOf(server, person)
    const [counted] = await server.core.lockouts.list('default', [id])
    expect(counted?.failures).to.be.greaterThan(3)
    expect(counted?.refused).to.be.greaterThan(0)
  })

  it('requires a sign-in of the last five minutes, and returns to the form (ASVS 7.5.1)', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const form = await open(server, path, person, agent)
    travel(301)
    const asked = await agent.get(`${server.issuer}${path}`)
    expect(asked.status).to.equal(303)
    expect(asked.location?.searchParams.get('max_age')).to.equal('300')
    const fields = {
      current_password: person.password,
      new_password: chosen,
      confirm_password: chosen,
    }
    const late = await agent.submit(form, { form: '#password-form', fields })
    expect(late.location?.pathname, 'a form older than five minutes').to.equal('/authorize')
    expect(await signsIn(person, chosen)).to.equal(false)
    const page = await open(server, path, person, agent)
    expect(page.url.pathname).to.equal(path)
    expect((await change(agent, person)).status).to.equal(303)
  })

  it('accepts one of two changes at the same moment', async () => {
    const person = await somebody(server)
    const agents = [await signedIn(server, person), await signedIn(server, person, 'safari')]
    const answers = await Promise.all(agents.map((agent) => change(agent, person)))
    expect(answers.filter(({ status }) => status === 303)).to.have.length(1)
    const { id } = await accountOf(server, person)
    expect(await server.core.sessions.list('default', id)).to.have.length(1)
  })

  const onServers = anyStorage === 'services' ? describe : describe.skip
  onServers('while a transaction of another node changes it too', () => {
    let other: Core
    before(async () => {
      other = await openNode(server.env)
    })
    after(() => other?.close())

    /** Starts work and waits until it is blocked. */
    async function begin<T>(work: () => Promise<T>): Promise<Promise<T>[]> {
      const begun = work()
      begun.catch(() => undefined)
      await eventually('the work waits for a row', async () => (await waitingForRows()) > 0)
      return [begun]
    }

    it("waits for an operator's reset, which wins, when other sessions are kept", async () => {
      const person = await somebody(server)
      const account = await accountOf(server, person)
      const agent = await signedIn(server, person)
      const submit = await changeHere(agent, person)
      const oneTime = await other.accounts.readyOneTime()
      remember(oneTime.password)
      const [answer] = await other.database.transaction(async () => {
        await other.revocations.passwordChanged(account)
        const begun = await begin(submit)
        await other.accounts.resetPassword(account, oneTime)
        return begun
      })
      expectFormAgain((await answer) as Page, 403, 'password-form', /not your current password/)
      expect(await signsIn(person, chosen)).to.equal(false)
    })

    it('voids a mailed link, when other sessions are kept (C8)', async () => {
      const person = await somebody(server)
      const account = await accountOf(server, person)
      const { actionTokens, passwordReset } = server.core
      const id = await actionTokens.issue('default', 'reset', account)
      const { token = '' } = (await actionTokens.forDelivery('default', id ?? '')) ?? {}
      remember(token)
      travel(1)
      const { password } = person
      const by = { by: 'owner', language: 'en' } as const
      const ready = await other.accounts.readyPassword(account, password, chosen, { ip: '::1' })
      const [reset] = await other.database.transaction(async () => {
        await other.revocations.ownPasswordChanged(account, { uid: '', others: false }, by)
        await other.accounts.replacePassword(account, ready)
        return begin(() => passwordReset.reset('default', token, `${chosen} or white`, by))
      })
      await refusalOf(reset as Promise<unknown>, 'action_token_invalid')
      backToPresent()
      expect(await signsIn(person, chosen)).to.equal(true)
    })
  })
})
