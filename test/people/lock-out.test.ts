import { expect } from 'chai'
import { accountsReset, accountsUnlock } from '../../src/cli/accounts-change.ts'
import { accountsList } from '../../src/cli/accounts-list.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFormAgain, textOf } from './story.ts'

const tenant = 'default'
const password = 'off with their heads 42'
const forgotten = 'not the right password'
/** An address outside this machine, which only a trusted proxy can set. */
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

describe('people: lock-out after wrong passwords (C9, C10)', () => {
  const server = booted(
    anyStorage,
    {
      RATE_LIMITS: 'on',
      TRUST_PROXY: '127.0.0.0/8',
    },
    furnish,
  )
  let people = 0
  before(async () => {
    remember(password)
  })

  async function someone(members: { username?: string; password?: string } = { password }) {
    const email = `queen${people++}@example.com`
    const { account } = await server.core.accounts.create(tenant, { email, password, ...members })
    return account
  }
  async function enter(
    fields: { username: string; password: string },
    { agent = createUserAgent(), address = '198.51.100.1' } = {},
  ): Promise<Page> {
    const { page } = await arrive(server, web, { prompt: 'login' }, agent)
    return agent.submit(page, { fields }, from(address))
  }
  async function lock(username: string): Promise<void> {
    for (let i = 0; i < 5; i++) await enter({ username, password: forgotten })
  }
  const checked = () => server.core.counters.read().guess_checked

  it('counts per account, across its identifiers, their spellings and addresses (C9)', async () => {
    const { email } = await someone({ username: 'Queen.Of-Hearts' })
    const before = checked()
    for (const [i, username] of [
      email,
      email.toUpperCase(),
      ` ${email}  `,
      'queen.of-hearts',
      'ｑｕｅｅｎ．ｏｆ－ｈｅａｒｔｓ',
      'QUEEN.OF-HEARTS\t',
      email.replace('queen', 'ｑｕｅｅｎ'),
    ].entries()) {
      await enter({ username, password: forgotten }, { address: `203.0.${i}.1` })
    }
    expect(checked() - before).to.equal(5)
    expect((await enter({ username: 'queen.of-hearts', password })).status).to.equal(403)
  })

  it('lets the owner in from a known browser, which ends the lock', async () => {
    const { email: username } = await someone()
    const agent = createUserAgent()
    const first = await enter({ username, password }, { agent })
    expect(first.status).to.equal(303)
    const [cookie = ''] = first.headers.getSetCookie().filter((line) => line.includes('.known='))
    expect(cookie).to.match(
      /^keyturn\.default\.known=.*; path=\/; expires=.*; samesite=lax; httponly$/i,
    )

    await lock(username)
    expect((await enter({ username, password })).status, 'elsewhere').to.equal(403)
    for (let i = 0; i < 2; i++) await enter({ username, password: forgotten }, { agent })
    expect((await enter({ username, password }, { agent })).status, 'here').to.equal(303)
    expect((await enter({ username, password })).status, 'elsewhere, later').to.equal(303)
  })

  it('does not trust the cookie of another account', async () => {
    const [hers, his] = [await someone(), await someone()]
    const agent = createUserAgent()
    await enter({ username: hers.email, password }, { agent })
    await lock(his.email)
    const fields = { username: his.email, password }
    expect((await enter(fields, { agent })).status).to.equal(403)
  })

  it('is shown to operators by accounts list, and lifted by accounts unlock or reset', async () => {
    const account = await someone()
    const ofAccount = { tenant, identifier: account.email }
    const { core } = server
    await lock(account.email)
    await enter({ username: account.email, password })
    const listed = await accountsList.execute(core, { tenant })
    const { lock: state } = listed.accounts.find(({ id }) => id === account.id) ?? {}
    expect(state).to.deep.include({ failures: 5, refused: 1, blocked: false })
    expect(accountsList.render(listed)).to.match(
      new RegExp(`^${account.email} .* locked until ${state?.locked_until}`, 'm'),
    )
    const unlocked = await accountsUnlock.execute(core, ofAccount)
    expect(unlocked.changed).to.equal(true)
    expect(accountsUnlock.render(unlocked)).to.match(/is unlocked/)
    expect((await accountsUnlock.execute(core, ofAccount)).changed).to.equal(false)
    expect((await enter({ username: account.email, password })).status).to.equal(303)

    await lock(account.email)
    const { one_time_password } = await accountsReset.execute(core, ofAccount)
    remember(one_time_password)
    const fields = { username: account.email, password: one_time_password }
    expect((await enter(fields)).status).to.equal(303)
    expect(server.logged()).to.match(/"account locked after wrong attempts"/)
  })

  it('counts one-time passwords too, and resets the count when a password is chosen', async () => {
    const { account, oneTimePassword = '' } = await server.core.accounts.create(tenant, {
      email: 'once@example.com',
    })
    remember(oneTimePassword)
    const before = checked()
    await lock(account.email)
    await enter({ username: account.email, password: oneTimePassword })
    expect(checked() - before).to.equal(5)
    await server.core.lockouts.lift(tenant, account.id, 'operator')
    for (let i = 0; i < 4; i++) await enter({ username: account.email, password: forgotten })
    const agent = createUserAgent()
    const fields = { username: account.email, password: oneTimePassword }
    const choose = await agent.follow(await enter(fields, { agent }))
    const locks = () => server.core.lockouts.list(tenant, [account.id])
    expect((await locks())[0]?.failures, 'not reset by a right password').to.equal(4)
    const chosen = 'a garden of live flowers'
    remember(chosen)
    const both = { new_password: chosen, confirm_password: chosen }
    expect((await agent.submit(choose, { fields: both })).status).to.equal(303)
    expect(await locks()).to.deep.equal([])
  })

  describe('of a network that has used up its limit', () => {
    // Time stands still, so that the limit does not refill.
    beforeEach(() => travel(0))
    afterEach(backToPresent)

    const spend = (address: string) =>
      server.core.limiter.note(tenant, { limit: 'sign_in_network', subject: address, cost: 200 })

    it('says so with 429 and Retry-After, for any account', async () => {
      await spend('192.0.2.0/24')
      const { email } = await someone()
      const before = checked()
      const pages = new Set<string>()
      for (const username of [email, 'unknown@example.com']) {
        const page = await enter({ username, password }, { address: '192.0.2.77' })
        expectFormAgain(page, 429, 'login-form', /too many failed sign-ins from your network/)
        expect(Number(page.headers.get('retry-after'))).to.be.within(1, 600)
        pages.add(textOf(page))
      }
      expect([...pages]).to.have.length(1)
      expect(checked(), 'nothing is hashed').to.equal(before)
      expect(server.logged()).to.include('"limit":"sign_in_network"')
      expect(
        (await enter({ username: email, password }, { address: '192.0.3.77' })).status,
      ).to.equal(303)
    })

    it('says it in German too', async () => {
      await spend('192.0.4.0/24')
      const agent = createUserAgent()
      const { page } = await arrive(server, web, { ui_locales: 'de' }, agent)
      const fields = { username: 'x@example.com', password: forgotten }
      const answer = await agent.submit(page, { fields }, from('192.0.4.1'))
      expectFormAgain(answer, 429, 'login-form', /zu viele fehlgeschlagene Anmeldungen/)
    })

    it('lets known browsers in, and does not count right passwords', async () => {
      const { email: username } = await someone()
      const agent = createUserAgent()
      await enter({ username, password }, { agent })
      await server.core.limiter.note(tenant, {
        limit: 'sign_in_network',
        subject: '192.0.5.0/24',
        cost: 199,
      })
      const address = '192.0.5.1'
      for (let i = 0; i < 3; i++) {
        const other = await enter({ username, password }, { address })
        expect(other.status, `${i}`).to.equal(303)
      }
      await enter({ username: 'nobody@example.com', password: forgotten }, { address })
      expect((await enter({ username, password }, { address })).status).to.equal(429)
      expect((await enter({ username, password }, { address, agent })).status).to.equal(303)
    })
  })
})
