import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { createCsrf } from '../../src/http/csrf.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { alice, furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const password = 'a raven and a writing desk 7'

/**
 * A response as an attacker compares it: status, headers (with the length of cookie values) and body, without the time
 * and the request id.
 */
function seen({ status, headers, body }: Page): string {
  const { 'request-id': id = '', date: _date, ...rest } = Object.fromEntries(headers)
  const cookies = headers
    .getSetCookie()
    .map((line) => line.replace(/=([^;]*)/, (_all, value: string) => `=${value.length}`))
  const text = id === '' ? body : body.replaceAll(id, 'ID')
  return JSON.stringify([status, { ...rest, 'set-cookie': cookies }, text])
}

describe('people: signing up does not reveal who has an account (C10, ASVS 6.3.8)', () => {
  after(backToPresent)
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(async () => {
    remember(password)
    const { tenants } = server.core
    await tenants.declareSignUp(defaultTenant, { mode: 'open', domains: ['example.com'] })
    await tenants.declare({ id: 'acme', name: 'Acme' })
    await tenants.declareSignUp('acme', { mode: 'open', domains: [] })
  })

  const newAgent = () => createUserAgent({ origin: server.issuer })
  const newAddress = () => `${randomUUID()}@example.com`
  async function ask(email: string, path = '', agent: UserAgent = newAgent()): Promise<Page> {
    const form = await agent.get(`${server.issuer}${path}/sign-up`)
    return agent.submit(form, { fields: { email } })
  }
  async function linkTo(address: string, count = 1): Promise<string> {
    const links = () => mailbox.mails.filter(({ to, link }) => to === address && link)
    await nextMail(`link ${count} to ${address}`, () => links().slice(count - 1))
    return links()[count - 1]?.link as string
  }
  async function somebody(
    change?: (account: { tenant: string; id: string; email: string }) => Promise<unknown>,
    emailVerified = true,
  ): Promise<string> {
    const { accounts } = server.core
    const email = newAddress()
    await accounts.declare(defaultTenant, { email, password: alice.password, emailVerified })
    const account = await accounts.byIdentifier(defaultTenant, email)
    if (!account) throw new Error('no account')
    await change?.(account)
    return email
  }

  it('gives the same bytes for every address: with an account, pending, invited or not allowed', async () => {
    const { accounts, invitations, revocations } = server.core
    const waiting = newAddress()
    await ask(waiting)
    await linkTo(waiting)
    const invited = newAddress()
    await invitations.create(defaultTenant, { email: invited, language: 'en' })
    const elsewhere = newAddress()
    await accounts.declare('acme', { email: elsewhere, password: alice.password })
    const account = (email: string) => accounts.byIdentifier(defaultTenant, email)
    const wrong = { ip: '192.0.2.1' }
    const addresses = {
      unknown: newAddress(),
      'an account': await somebody(),
      'an account, in upper case': (await somebody()).toUpperCase(),
      'an account with an unconfirmed address': await somebody(undefined, false),
      'a disabled account': await somebody(async ({ email }) => {
        const found = await account(email)
        if (found) await revocations.setAccountDisabled(found, true)
      }),
      'a locked account': await somebody(async ({ email }) => {
        for (let tries = 0; tries < 6; tries += 1) {
          await accounts.authenticate(defaultTenant, email, 'wrong', wrong).catch(() => {})
        }
      }),
      'a deleted account': await somebody(async ({ email }) => {
        const found = await account(email)
        if (found) await revocations.deleteAccount(found, { by: 'owner' })
      }),
      'a pending sign-up': waiting,
      'a pending invitation': invited,
      'an account of another tenant': elsewhere,
      'another domain': 'somebody@elsewhere.example',
    }
    const answers = new Map<string, string[]>()
    for (const [what, address] of Object.entries(addresses)) {
      const agent = newAgent()
      const page = await ask(address, '', agent)
      expect(page.location?.pathname, what).to.equal('/sign-up/sent')
      const both = `${seen(page)}\n${seen(await agent.follow(page))}`
      answers.set(both, [...(answers.get(both) ?? []), what])
    }
    expect([...answers.values()]).to.have.length(1)
  })

  it('runs the same statements with and without an account before the response', async () => {
    const { database, signUps } = server.core
    const asking = new AsyncLocalStorage<string[]>()
    const { execute, query } = database
    const noted = (sql: string) => asking.getStore()?.push(sql)
    Object.assign(database, {
      execute: (sql: string, values?: unknown[]) => [noted(sql), execute(sql, values)][1],
      query: (sql: string, values?: unknown[]) => [noted(sql), query(sql, values)][1],
    })
    try {
      const work = new Set<string>()
      const about = { ip: '192.0.2.1', language: 'en', browser: 'any' } as const
      const known = await somebody()
      for (const address of [known, newAddress(), known, 'somebody@elsewhere.example']) {
        const statements: string[] = []
        await asking.run(statements, () => signUps.ask(defaultTenant, address, about))
        expect(statements).to.have.length(1)
        work.add(statements.join())
      }
      expect(work.size).to.equal(1)
    } finally {
      Object.assign(database, { execute, query })
    }
  })

  it('gives the same bytes for every void link, opened or submitted', async () => {
    const { accounts, actionTokens } = server.core
    const agent = newAgent()
    const newLink = async (address = newAddress(), count = 1): Promise<string> => {
      await ask(address)
      return linkTo(address, count)
    }
    const choose = async (url: string) =>
      agent.submit(await agent.get(url), {
        fields: { new_password: password, confirm_password: password },
      })
    const used = await newLink()
    await choose(used)
    const repeated = newAddress()
    const earlier = await newLink(repeated)
    await newLink(repeated, 2)
    const beaten = newAddress()
    const beatenLink = await newLink(beaten)
    await accounts.declare(defaultTenant, { email: beaten, password: alice.password })
    const foreign = newAddress()
    await ask(foreign, '/t/acme')
    const owner = await accounts.byIdentifier(defaultTenant, beaten)
    if (!owner) throw new Error('no account')
    const id = await actionTokens.issue(defaultTenant, 'reset', owner)
    const reset = (await actionTokens.forDelivery(defaultTenant, id ?? ''))?.token ?? ''
    remember(reset)
    const tokenIn = (url: string) => new URL(url).searchParams.get('token') ?? ''
    const good = tokenIn(await newLink())
    const tokens = {
      'made up': 'a'.repeat(43),
      used: tokenIn(used),
      'replaced by a later one': tokenIn(earlier),
      'of an address that has an account by now': tokenIn(beatenLink),
      'of another tenant': tokenIn(await linkTo(foreign)),
      'of another purpose': reset,
      'too short': 'x',
    }
    const expired = tokenIn(await newLink())
    const form = await agent.get(`/sign-up/finish?token=${good}`)
    expect(form.status).to.equal(200)
    const answers = new Map<string, string[]>()
    const note = async (what: string, token: string) => {
      const opened = await newAgent().get(`/sign-up/finish?token=${token}`)
      expect(opened.status, what).to.equal(400)
      // A link may become void after its form was shown, so a valid CSRF token is sent with each.
      const csrf = await csrfOf(token)
      const fields = { token, csrf, new_password: password, confirm_password: password }
      const sent = await newAgent().post('/sign-up/finish', fields)
      expect(sent.status, what).to.equal(400)
      const both = `${seen(opened)}\n${seen(sent)}`
      answers.set(both, [...(answers.get(both) ?? []), what])
    }
    async function csrfOf(token: string): Promise<string> {
      const secret = await server.core.sharedSecrets.get(defaultTenant, 'csrf')
      return createCsrf({ secret, issuer: server.issuer }).token(`sign-up finish ${token}`)
    }
    for (const [what, token] of Object.entries(tokens)) await note(what, token)
    travel(86_401)
    await note('expired', expired)
    backToPresent()
    expect([...answers.values()]).to.have.length(1)
  })
})
