import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { accountsRemoveFactors } from '../../src/cli/accounts-change.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { allSent, bootedWithMail } from '../support/mailbox.ts'
import { expectReturned, redeem, tokensIn } from '../support/protocol.ts'
import { codeOf } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFormAgain, headingOf, textOf } from './story.ts'

const formOf = (page: Page) => page.root.querySelector('form')?.id
const password = 'a second step beside it'
const by = { by: 'owner' } as const

interface Person {
  id: string
  username: string
}

describe('people: codes by e-mail (ASVS 6.5.1, 6.5.5, 6.6.2, 6.6.3)', () => {
  const { server, mailbox } = bootedWithMail({ RATE_LIMITS: 'on' }, furnish)
  before(async () => {
    remember(password)
    await server.core.clients.declare(tenant, { ...spa, require_mfa: true })
  })
  beforeEach(() => policy({ emailCodes: true, requireMfa: false }))
  afterEach(backToPresent)

  const policy = (wanted: { emailCodes?: boolean; requireMfa?: boolean }) =>
    server.core.tenants.setPolicy(tenant, wanted)

  async function somebody(emailVerified = true): Promise<Person> {
    const email = `${randomUUID()}@example.com`
    const { account } = await server.core.accounts.create(tenant, {
      ...{ email, password, emailVerified },
    })
    return { id: account.id, username: email }
  }
  const accountOf = async ({ id }: Person) => {
    const account = await server.core.accounts.active(tenant, id)
    if (!account) throw new Error('no such account')
    return account
  }
  async function owner(): Promise<Person> {
    const person = await somebody()
    await server.core.mailedCodes.turnOn(await accountOf(person), by)
    return person
  }

  const codesTo = (address: string) =>
    mailbox.mails
      .filter(({ to }) => to === address)
      .flatMap(({ text }) => /asks for it: (\d{8})\b/.exec(text)?.[1] ?? [])
  /** The code in the mail of this number. */
  async function code({ username }: { username: string }, number = 1): Promise<string> {
    const found = await eventually(`code ${number} arrives`, () => codesTo(username)[number - 1])
    remember(found)
    return found
  }
  const wrongOf = (right: string) => String((Number(right) + 1) % 1e8).padStart(8, '0')
  const type = (agent: UserAgent, page: Page, otp: string) =>
    agent.submit(page, { form: '#email-code-form', fields: { otp } })

  /** A browser after the right password. */
  async function atCode(
    person: Person,
    query: Record<string, string> = {},
    client: Parameters<typeof arrive>[1] = web,
  ) {
    const { agent, page } = await arrive(server, client, query)
    const { username } = person
    const next = await agent.submit(page, { fields: { username, password } })
    return { agent, page: await agent.follow(next) }
  }
  async function asked(...[person, query, client]: Parameters<typeof atCode>) {
    const visit = await atCode(person, query, client)
    expect(formOf(visit.page), visit.page.body).to.equal('email-code-form')
    return visit
  }
  /** The list of factors, after a sign-in if it takes one. */
  async function openList(person: Person, agent = createUserAgent({ origin: server.issuer })) {
    let page = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    if (formOf(page) === 'login-form') {
      const { username } = person
      page = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    }
    return { agent, page }
  }

  it('are off by default, and offered by tenants that have them to accounts with a confirmed address', async () => {
    await policy({ emailCodes: false })
    const person = await somebody()
    const { agent, page } = await openList(person)
    expect(page.root.querySelector('#email-codes')).to.equal(null)
    expect(formOf((await atCode(person)).page)).to.equal('consent-form')
    await policy({ emailCodes: true })
    const { page: offered } = await openList(person, agent)
    expect(textOf(offered)).to.include('Off.').and.include('can also get a new password')
    const stranger = await openList(await somebody(false))
    expect(stranger.page.root.querySelector('#email-codes')).to.equal(null)
    const out = stranger.page.root.querySelector('#sign-out-form [name=csrf]')
    const csrf = out?.getAttribute('value') ?? ''
    const sent = await stranger.agent.post(`${server.issuer}/account/email-codes`, { csrf })
    expect(sent.location?.pathname).to.equal('/account/factors')
  })

  it('are on once a mailed code was typed; the owner is notified by mail', async () => {
    const person = await somebody()
    const { agent, page } = await openList(person)
    const form = await agent.follow(await agent.submit(page, { form: '#email-codes-form' }))
    expect(headingOf(form)).to.equal('Check your e‑mail')
    const right = await code(person)
    expectFormAgain(await type(agent, form, wrongOf(right)), 400, 'email-code-form', /wrong/)
    expectFormAgain(await type(agent, form, ' '), 400, 'email-code-form', /Enter the code/)
    expect(await server.core.mailedCodes.since(tenant, person.id)).to.equal(undefined)
    const other = await openList(person)
    await other.agent.follow(await other.agent.submit(other.page, { form: '#email-codes-form' }))
    const elsewhere = await other.agent.get(`${server.issuer}/account/email-codes`)
    expect((await type(other.agent, elsewhere, right)).status, 'another session').to.equal(400)
    const list = await agent.follow(
      await type(agent, form, `${right.slice(0, 4)} ${right.slice(4)}`),
    )
    // The session is older than this factor, so the page asks for it.
    expect(formOf(list)).to.equal('login-form')
    await eventually('the mail arrives', () =>
      mailbox.mails.find(({ to, subject }) => to === person.username && /was added/.test(subject)),
    )
    const events = await server.core.database.query<{ type: string; detail: object }>(
      `select type, detail from audit_events where account_id = $1 and type = 'account.factor_added'`,
      [person.id],
    )
    expect(events.map(({ detail }) => detail)).to.deep.equal([
      { factor: 'email', kind: 'email', by: 'owner' },
    ])
  })

  it('follow the right password; tokens report only what was shown (RFC 8176)', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const right = await code(person)
    expectFormAgain(await type(agent, page, wrongOf(right)), 403, 'email-code-form', /wrong/)
    expect((await arrive(server, web, { prompt: 'none' }, agent)).page.location?.search).to.include(
      'login_required',
    )
    const consent = await agent.follow(await type(agent, page, right))
    const back = await agent.submit(consent)
    const returned = await agent.follow(back)
    const { access_token } = tokensIn(
      await redeem(server, web, returned.location?.searchParams.get('code') ?? ''),
    )
    const claims = decodeJwt(access_token)
    expect([claims['amr'], claims['acr']]).to.deep.equal([['pwd', 'otp'], undefined])

    const again = await asked(person)
    expect((await type(again.agent, again.page, right)).status, 'used').to.equal(403)
  })

  it('are sent again after a pause that doubles; an earlier code is void, and the page does not say whether one was sent', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const first = await code(person)
    const again = async () => {
      const shown = await agent.follow(await agent.submit(page, { form: '#again-form' }))
      return shown.root.querySelector('main')?.textContent
    }
    const tooSoon = await again()
    travel(31)
    expect(await again(), 'the same text, sent or not').to.equal(tooSoon)
    const second = await code(person, 2)
    expect((await type(agent, page, first)).status, 'the earlier code').to.equal(403)
    travel(62)
    await again()
    // Wait for the mail: a delivery whose lease expires when time moves on is repeated.
    const third = await code(person, 3)
    travel(62 + 31)
    await again()
    expect(codesTo(person.username)).to.deep.equal([first, second, third])
    expect((await type(agent, page, third)).status).to.equal(303)
  })

  it('are limited to ten an hour per account, without telling the browser', async () => {
    const person = await owner()
    const account = await accountOf(person)
    for (let i = 0; i < 12; i++) {
      await server.core.mailedCodes.send(account, `place ${i}`, { ip: '192.0.2.1' })
    }
    const [row] = await server.core.database.query<{ codes: string }>(
      'select count(*) as codes from email_codes where account_id = $1',
      [person.id],
    )
    expect(Number(row?.codes)).to.equal(10)
    expect(textOf((await asked(person)).page)).to.include('If a code can be sent now')
  })

  it('that a mail server refuses and quotes are in no event and no log (C19)', async () => {
    const person = await owner()
    const account = await accountOf(person)
    await allSent(server.core)
    mailbox.refuseWith(554)
    const before = server.logged().length
    await server.core.mailedCodes.send(account, 'somewhere', { ip: '192.0.2.1' })
    const [failed] = await eventually('the event is recorded', async () => {
      const rows = await server.core.database.query<{ detail: { reason: string } }>(
        `select detail from audit_events where type = 'mail.failed' and account_id = $1`,
        [person.id],
      )
      return rows.length > 0 && rows
    })
    expect(failed?.detail.reason).to.equal('answered 554 5.7.1')
    const lines = server.logged().slice(before).split('\n')
    const [line = ''] = lines.filter((each) => each.includes('delivery given up'))
    expect(line).to.include('answered 554 5.7.1"').and.not.include('not this one')
  })

  it('allow five attempts each, for ten minutes', async () => {
    const [guessed, late] = [await owner(), await owner()]
    const { emailCodes, mailedCodes } = server.core
    await mailedCodes.send(await accountOf(guessed), 'here', { ip: '192.0.2.1' })
    const right = await code(guessed)
    for (let i = 0; i < 5; i++) {
      expect(await emailCodes.use(tenant, guessed.id, 'here', wrongOf(right))).to.equal(false)
    }
    expect(await emailCodes.use(tenant, guessed.id, 'here', right)).to.equal(false)
    // Time stands still, so that delivery does not use up the last second.
    travel(0)
    const { agent, page } = await asked(late)
    const old = await code(late)
    travel(599)
    const wrong = await type(agent, page, wrongOf(old))
    expect(formOf(wrong)).to.equal('email-code-form')
    travel(601)
    expect(formOf(await type(agent, page, old))).to.equal('login-form')
    expect(await emailCodes.sweep()).to.be.above(0)
  })

  it('count against the account like passwords (ASVS 6.6.3)', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const right = await code(person)
    for (let i = 0; i < 10; i++) await type(agent, page, wrongOf(right))
    const left = await type(agent, page, right)
    expect([left.status, formOf(left)]).to.deep.equal([429, 'login-form'])
    const [locked] = await server.core.lockouts.list(tenant, [person.id])
    expect(locked?.failures).to.be.above(3)
  })

  it('are bound to one sign-in: not valid in another browser, account or tenant (C7, ASVS 6.6.2)', async () => {
    const [person, thief] = [await owner(), await owner()]
    const one = await asked(person)
    const right = await code(person)
    const two = await asked(person)
    expect((await type(two.agent, two.page, right)).status, 'another browser').to.equal(403)
    const three = await asked(thief)
    expect((await type(three.agent, three.page, right)).status, 'another account').to.equal(403)
    const { core } = server
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    const binding = 'the same place'
    await core.mailedCodes.send(await accountOf(thief), binding, { ip: '192.0.2.1' })
    const theirs = await code(thief, 2)
    expect(await core.emailCodes.use('acme', thief.id, binding, theirs)).to.equal(false)
    expect(await core.emailCodes.use(tenant, thief.id, binding, theirs)).to.equal(true)
    expect((await type(one.agent, one.page, right)).status, 'the browser that asked').to.equal(303)
  })

  it('cannot be skipped by a form for another step, and are accepted once (C7, ASVS 2.3.1)', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const right = await code(person)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const base = page.url.href
    for (const step of ['factor', 'set-up', 'codes', 'password', 'consent']) {
      const fields = {
        csrf,
        otp: right,
        decision: 'allow',
        new_password: 'x',
        confirm_password: 'x',
      }
      expect((await agent.post(`${base}/${step}`, fields)).status, step).to.equal(400)
    }
    const at = await agent.get(base)
    const both = await Promise.all([type(agent, at, right), type(agent, at, right)])
    expect(both.map(({ status }) => status)).to.include(303)
    expect(both.filter(({ status }) => status === 303)).to.have.length(1)
    const late = await agent.post(`${base}/email-code`, { csrf, otp: right })
    expect(late.status, 'the step is over').to.equal(400)
  })

  it('do not satisfy a required second factor, since the mailbox also resets the password', async () => {
    const person = await owner()
    const essential = JSON.stringify({ id_token: { acr: { essential: true, value: multiFactor } } })
    const first = await asked(person, { claims: essential })
    const unmet = await first.agent.follow(await type(first.agent, first.page, await code(person)))
    expectReturned(unmet, 'unmet_authentication_requirements')

    const second = await asked(person, {}, spa)
    const setUp = await second.agent.follow(
      await type(second.agent, second.page, await code(person, 2)),
    )
    expect(setUp.root.querySelector('#secret'), 'required by the client').not.to.equal(null)
    await policy({ requireMfa: true })
    const third = await asked(person)
    const shown = await third.agent.follow(
      await type(third.agent, third.page, await code(person, 3)),
    )
    expect(shown.root.querySelector('#secret'), 'required by the tenant').not.to.equal(null)
    await policy({ requireMfa: false })
    const account = await accountOf(person)
    const least = await server.core.accounts.minLength(tenant, account.id)
    expect(least, 'minimum length of the password beside it').to.equal(15)
  })

  it('do not bypass another factor, even one added during the sign-in', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const right = await code(person)
    const secret = newTotpSecret()
    const app = { secret, name: '', code: codeOf(secret, -1), onlyFirst: true }
    const added = await server.core.factors.add(tenant, person.id, app, by)
    if (typeof added !== 'string') remember(secret, ...(added.recoveryCodes ?? []))
    const shown = await agent.follow(await type(agent, page, right))
    expect(formOf(shown)).to.equal('factor-form')
    const later = await atCode(person)
    expect(formOf(later.page)).to.equal('factor-form')
    expect(codesTo(person.username)).to.have.length(1)
  })

  it('go to the current address; a code sent to the old one is void', async () => {
    const person = await owner()
    const { agent, page } = await asked(person)
    const old = await code(person)
    const next = `${randomUUID()}@example.com`
    await server.core.accounts.changeEmail(await accountOf(person), next)
    expect((await type(agent, page, old)).status).to.equal(403)
    const again = await asked({ ...person, username: next })
    const { status } = await type(again.agent, again.page, await code({ username: next }))
    expect(status).to.equal(303)
    await server.core.database.execute('update accounts set email_verified = false where id = $1', [
      ...[person.id],
    ])
    await asked({ ...person, username: next })
    expect(codesTo(next), 'not confirmed: nothing is sent and the sign-in stops').to.have.length(1)
  })

  it('are required before the account is changed, even in an older session (ASVS 7.5.1)', async () => {
    const person = await somebody()
    const { agent } = await openList(person)
    await server.core.mailedCodes.turnOn(await accountOf(person), by)
    for (const path of ['factors', 'email', 'password', 'data', 'email-codes']) {
      const led = await agent.follow(await agent.get(`${server.issuer}/account/${path}`))
      expect(formOf(led), path).to.equal('login-form')
    }
    const { page } = await openList(person, agent)
    const list = await agent.follow(await type(agent, page, await code(person)))
    expect(textOf(list)).to.include('On since')
    const off = await agent.follow(await agent.submit(list, { form: '#email-codes-form' }))
    expect(textOf(off)).to.include('Off.')
    expect(formOf((await atCode(person)).page)).to.equal('consent-form')
  })

  it('end when an operator removes factors, and with the account', async () => {
    const [person, leaver] = [await owner(), await owner()]
    const wanted = { tenant, identifier: person.username }
    expect((await accountsRemoveFactors.execute(server.core, wanted)).removed).to.equal(1)
    expect(await server.core.mailedCodes.since(tenant, person.id)).to.equal(undefined)
    await asked(leaver)
    await server.core.revocations.deleteAccount(await accountOf(leaver), by)
    const left = await server.core.database.query(
      `select 1 from accounts where id = $1 and email_codes_since is not null
       union all select 1 from email_codes where account_id = $1`,
      [leaver.id],
    )
    expect(left).to.deep.equal([])
  })
})
