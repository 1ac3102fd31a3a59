import { hashSync as bcrypt } from 'bcrypt'
import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import type { Purpose } from '../../src/actions/action-tokens.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { errorOf } from '../support/cores.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import { codeOf } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { countingTrips } from '../support/trips.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { open, signedIn, somebody } from './account.story.ts'
import { arrive, expectFormAgain, headingOf } from './story.ts'

const password = 'nobody knows this one 42'
const wrong = 'not the right password'
const by = { by: 'owner' } as const

/** Addresses of equal length, so that the length of a response cannot differ either. */
const addressOf = (kind: string) => `${kind.replaceAll(/\W+/g, '-').padEnd(20, 'x')}@example.com`

/**
 * A response as an attacker compares it: status, headers, cookies without their values, and every byte of the page.
 * Random values count by their length; what was typed is ignored.
 */
function fingerprint(page: Page, typed?: string): object {
  const same = (text: string) =>
    (typed ? text.replaceAll(typed, 'TYPED') : text).replaceAll(
      /[\w-]{20,}/g,
      (value) => `<${value.length}>`,
    )
  const headers = [...page.headers]
    .filter(([name]) => !['date', 'request-id', 'set-cookie'].includes(name))
    .map(([name, value]) => `${name}: ${same(value)}`)
  const cookies = page.headers
    .getSetCookie()
    .map((line) => same(line.replace(/=[^;]*/, '=').replace(/expires=[^;]*/i, 'expires')))
  return { status: page.status, headers, cookies, body: same(page.body) }
}

function expectAlike(answers: Record<string, object>): void {
  const [[first, expected] = ['', {}], ...others] = Object.entries(answers)
  for (const [kind, answer] of others) {
    expect(answer, `${kind} differs from ${first}`).to.deep.equal(expected)
  }
}

describe('people: whether an address has an account (C10, ASVS 6.3.8)', () => {
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(() => remember(password))

  const create = async (kind: string): Promise<Account> => {
    const { account } = await server.core.accounts.create(tenant, {
      email: addressOf(kind),
      password,
    })
    return account
  }
  async function lock(address: string): Promise<void> {
    for (let i = 0; i < 6; i++) {
      await server.core.accounts
        .authenticate(tenant, address, wrong, { ip: '192.0.2.1' })
        .catch(() => undefined)
    }
  }

  /** What may be behind an address, by kind. */
  const makers: Record<string, () => Promise<unknown>> = {
    known: () => create('known'),
    unknown: async () => undefined,
    verified: async () =>
      server.core.accounts.verifyEmail(
        tenant,
        (await create('verified')).id,
        addressOf('verified'),
      ),
    disabled: async () => server.core.accounts.setDisabled(await create('disabled'), true),
    deleted: async () => server.core.revocations.deleteAccount(await create('deleted'), by),
    locked: async () => lock((await create('locked')).email),
    'locked, unknown': () => lock(addressOf('locked, unknown')),
    'with an app': async () => {
      const { id } = await create('with an app')
      const secret = newTotpSecret()
      remember(secret)
      const app = { secret, name: '', code: codeOf(secret), onlyFirst: true }
      await server.core.factors.add(tenant, id, app, by)
    },
    'with bcrypt': () =>
      server.core.accounts.declare(tenant, {
        email: addressOf('with bcrypt'),
        passwordHash: bcrypt(password, 10),
      }),
    'without password': () =>
      server.core.accounts.declare(tenant, { email: addressOf('without password') }),
    'password for one use': () =>
      server.core.accounts.create(tenant, { email: addressOf('password for one use') }),
  }
  const everybody = Object.keys(makers)
  before(async () => {
    for (const make of Object.values(makers)) await make()
  })

  it('is not revealed at sign-in, for any kind of account, even with the right password of a disabled, deleted or locked one', async () => {
    const enter = async (kind: string, typed: string) => {
      const username = addressOf(kind)
      const { agent, page } = await arrive(server, web)
      const answer = await agent.submit(page, { fields: { username, password: typed } })
      expectFormAgain(answer, 403, 'login-form', /do not match.*is paused/)
      return fingerprint(answer, username)
    }
    const answers: Record<string, object> = {}
    for (const kind of everybody) answers[kind] = await enter(kind, wrong)
    for (const kind of ['disabled', 'deleted', 'locked']) {
      answers[`${kind}, right password`] = await enter(kind, password)
    }
    expectAlike(answers)
  })

  it('is not revealed by a sign-in with an address (login_hint)', async () => {
    const answers: Record<string, object> = {}
    for (const kind of everybody) {
      const { page } = await arrive(server, web, { login_hint: addressOf(kind) })
      answers[kind] = fingerprint(page, addressOf(kind))
    }
    expectAlike(answers)
  })

  it('is not revealed by a forgotten password; accounts that may reset it get mail', async () => {
    const answers: Record<string, object> = {}
    const odd = { 'odd bytes': '\u0000', 'very long': 'x'.repeat(5000) }
    const typed = Object.fromEntries(everybody.map((kind) => [kind, addressOf(kind)]))
    for (const [kind, username] of Object.entries({ ...typed, ...odd })) {
      const agent = createUserAgent()
      const form = await agent.get(`${server.issuer}/password/forgot`)
      const answer = await agent.submit(form, { fields: { username } })
      const sent = await agent.follow(answer)
      answers[kind] = { answer: fingerprint(answer, username), sent: fingerprint(sent, username) }
    }
    expectAlike(answers)
    const resetMails = () => mailbox.mails.filter(({ subject }) => /Choose a new/.test(subject))
    const reached = everybody.filter((kind) => !/unknown|disabled|deleted/.test(kind))
    await nextMail('all mails', () => resetMails().slice(reached.length - 1))
    expect(resetMails().map(({ to }) => to)).to.have.members(reached.map(addressOf))
  })

  /**
   * The statements sent to the database, without values: equal for all kinds, so that timing reveals nothing. Caches do
   * not interfere, as time stands still and the process has just loaded the latest changes.
   */
  async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
    travel(0)
    await server.core.changes.start()
    const { statements } = await countingTrips(server.core.database, work)
    expect(statements).to.have.length.above(0)
    return statements
  }
  afterEach(backToPresent)

  it('is not revealed by the database statements of a wrong guess, including the one that begins a pause', async () => {
    const kinds = ['known', 'unknown', 'disabled', 'without password']
    const asked: Record<string, { free: string[]; last: string[]; paused: string[] }> = {}
    for (const kind of kinds) {
      const identifier = addressOf(kind)
      const found = await server.core.accounts.byIdentifier(tenant, identifier)
      const owner = found ? { accountId: found.id } : { identifier }
      await server.core.database.query('delete from lockouts')
      const guess = () =>
        statementsOf(() =>
          errorOf(server.core.accounts.authenticate(tenant, identifier, wrong, { ip: '::1' })),
        )
      const free = await guess()
      for (let i = 0; i < 3; i++) {
        await server.core.lockouts.guess(tenant, { owner }, async () => false)
      }
      asked[kind] = { free, last: await guess(), paused: await guess() }
      expect(asked[kind].paused, `${kind}, during the pause`).to.deep.equal(free)
    }
    expectAlike(asked)
  })

  it('is not revealed by the database statements of a forgotten password or of an address change', async () => {
    const { passwordReset, emailAddresses } = server.core
    const owner = await create('owner')
    const about = { ip: '::1', language: 'en' } as const
    const asked: Record<string, { forgotten: string[]; wanted: string[] }> = {}
    for (const kind of everybody) {
      const address = addressOf(kind)
      asked[kind] = {
        forgotten: await statementsOf(() => passwordReset.ask(tenant, address, about)),
        wanted: await statementsOf(() =>
          emailAddresses.askChange(owner, address, { by: 'owner', ...about }),
        ),
      }
    }
    expectAlike(asked)
  })

  const links: [path: string, purpose: Purpose][] = [
    ['/password/reset', 'reset'],
    ['/email/verify', 'verification'],
    ['/email/confirm', 'email_change'],
    ['/email/object', 'email_objection'],
  ]
  for (const [path, purpose] of links) {
    it(`is not revealed by an invalid link to ${path}, whatever makes it invalid`, async () => {
      const { accounts, actionTokens, revocations } = server.core
      const tokens: Record<string, string> = { 'made up': newHandle(), empty: '' }
      const issue = async (kind: string, as: Purpose = purpose) => {
        const account = await create(`${kind} ${purpose}`)
        const id = await actionTokens.issue(tenant, as, account)
        const { token = '' } = (await actionTokens.forDelivery(tenant, id ?? '')) ?? {}
        remember(token)
        tokens[kind] = token
        return account
      }
      await revocations.deleteAccount(await issue('gone'), by)
      await accounts.setDisabled(await issue('off'), true)
      await accounts.changeEmail(await issue('moved'), addressOf(`moved to ${purpose}`))
      await actionTokens.issue(tenant, purpose, await issue('later'))
      await issue('spent')
      await actionTokens.use(tenant, purpose, tokens['spent'] ?? '')
      await issue('other', purpose === 'reset' ? 'verification' : 'reset')
      const answers: Record<string, object> = {}
      for (const [kind, token] of Object.entries(tokens)) {
        const answer = await createUserAgent().get(`${server.issuer}${path}?token=${token}`)
        expect([answer.status, headingOf(answer)]).to.deep.equal([
          ...[400, 'This link is no longer valid'],
        ])
        answers[kind] = fingerprint(answer, token)
      }
      expectAlike(answers)
    })
  }

  it('is not revealed by asking for an address that may belong to another account', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const page = await open(server, '/account/email', person, agent)
    const answers: Record<string, object> = {}
    for (const kind of everybody) {
      const fields = { new_email: addressOf(kind) }
      const answer = await agent.submit(page, { form: '#email-form', fields })
      expect(answer.status).to.equal(200)
      answers[kind] = fingerprint(answer, addressOf(kind))
    }
    expectAlike(answers)
  })

  it("is not revealed by asking to confirm one's own address, even if it was confirmed in another tab", async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const page = await open(server, '/account/email', person, agent)
    const first = await agent.submit(page, { form: '#verify-form' })
    const again = await agent.submit(page, { form: '#verify-form' })
    expectAlike({ first: fingerprint(first), again: fingerprint(again) })
  })
})
