import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { sweepExpired } from '../../src/retention.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, type Mail, nextMail } from '../support/mailbox.ts'
import { authorizeUrl, redeem, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFault, expectFormAgain, headingOf, textOf } from './story.ts'

const password = 'a raven and a writing desk 7'

describe('people: signing up (C8, C10, C17, C23; OpenID Connect Initiating User Registration)', () => {
  after(backToPresent)
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(async () => {
    remember(password)
    await server.core.tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
  })
  let email = ''
  beforeEach(() => {
    email = `${randomUUID()}@example.com`
  })

  const newAgent = () => createUserAgent({ origin: server.issuer })
  const ask = async (address: string, agent: UserAgent = newAgent()): Promise<Page> =>
    agent.submit(await agent.get(`${server.issuer}/sign-up`), { fields: { email: address } })
  const mailsTo = (address: string) => mailbox.mails.filter(({ to }) => to === address)
  async function mailed(address = email, count = 1): Promise<Mail> {
    await nextMail(`mail ${count}`, () => mailsTo(address).slice(count - 1))
    return mailsTo(address)[count - 1] as Mail
  }
  const linkOf = async (...about: Parameters<typeof mailed>) => (await mailed(...about)).link ?? ''
  const choose = (agent: UserAgent, page: Page, fields: Record<string, string> = {}) =>
    agent.submit(page, {
      fields: { new_password: password, confirm_password: password, ...fields },
    })
  const account = (address = email): Promise<Account | undefined> =>
    server.core.accounts.byIdentifier(defaultTenant, address)
  const eventsOf = (type: string) =>
    server.core.database.query<{ account_id: string | null; detail: Record<string, unknown> }>(
      'select account_id, detail from audit_events where type = $1 order by at',
      [type],
    )

  function expectOver(page: Page): void {
    expect(page.status, page.body).to.equal(400)
    expect(headingOf(page)).to.equal('This link is no longer valid')
  }

  it('leads from an authorization request to a code, in the browser that asked', async () => {
    const { agent, page } = await arrive(server, web, { scope: 'openid email profile' })
    const link = page.root.querySelector('#sign-up')?.getAttribute('href') ?? ''
    const form = await agent.follow(await agent.get(new URL(link, server.issuer)))
    expect(headingOf(form)).to.equal('Create an account')
    const sent = await agent.follow(await agent.submit(form, { fields: { email } }))
    expect(headingOf(sent)).to.equal('Check your e‑mail')
    const { link: url = '', subject } = await mailed()
    expect(subject).to.equal('Finish your account at Keyturn')
    expect(url).to.match(new RegExp(`^${server.issuer}/sign-up/finish\\?token=[\\w-]{43}$`))
    expect(await account(), 'no account before the address is confirmed').to.equal(undefined)

    for (const again of [1, 2]) {
      expect((await newAgent().get(url)).status, `opening ${again}, by scanners`).to.equal(200)
    }
    expect(await account()).to.equal(undefined)
    const finish = await agent.get(url)
    const consent = await agent.follow(await choose(agent, finish, { name: 'Carol' }))
    expect(textOf(consent)).to.include('Example web app')
    const returned = await agent.follow(await agent.submit(consent))
    const code = returned.location?.searchParams.get('code') ?? ''
    const tokens = tokensIn(await redeem(server, web, code))
    const claims = JSON.parse(
      Buffer.from(tokens.id_token?.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>
    expect(claims).to.include({ email, email_verified: true, name: 'Carol' })
    expect(claims['sub']).to.equal((await account())?.id)
    expectOver(await agent.get(url))
    expect(mailsTo(email), 'no mail about the first sign-in').to.have.length(1)
    const [event] = (await eventsOf('account.signed_up')).slice(-1)
    expect(event?.account_id).to.equal((await account())?.id)
    expect(event?.detail['by']).to.equal('sign_up')
  })

  it('signs in neither browser when another one opens the link, which only proves the address', async () => {
    async function begin(): Promise<{ agent: UserAgent; form: Page }> {
      const { agent, page } = await arrive(server, web)
      const link = page.root.querySelector('#sign-up')?.getAttribute('href') ?? ''
      return { agent, form: await agent.follow(await agent.get(new URL(link, server.issuer))) }
    }
    const { agent: attacker, form } = await begin()
    await attacker.submit(form, { fields: { email } })
    // The owner of the address is signing up as well, in another browser.
    const { agent: victim } = await begin()
    const done = await choose(victim, await victim.get(await linkOf()))
    expect(done.location?.pathname).to.equal('/sign-up/done')
    expect(headingOf(await victim.follow(done))).to.equal('Your account is ready')
    const waits = await attacker.get(authorizeUrl(server, web, { prompt: 'none' }))
    expect(waits.location?.searchParams.get('error')).to.equal('login_required')
    const silent = await victim.get(authorizeUrl(server, web, { prompt: 'none' }))
    expect(silent.location?.searchParams.get('error')).to.equal('login_required')
  })

  it('ends at sign-in when no authorization request is pending', async () => {
    const agent = newAgent()
    await ask(email, agent)
    const done = await choose(agent, await agent.get(await linkOf()))
    const page = await agent.follow(done)
    const next = page.root.querySelector('#next')?.getAttribute('href') ?? ''
    const signIn = await agent.follow(await agent.get(new URL(next, server.issuer)))
    const inside = await agent.follow(
      await agent.submit(signIn, { fields: { username: email, password } }),
    )
    expect(inside.url.pathname).to.equal('/account')
    expect(mailsTo(email), 'the browser that chose the password is known').to.have.length(1)
  })

  it('sends an existing account a notice, to its own spelling of the address (C9)', async () => {
    const own = `Owner.${randomUUID()}@example.com`
    await server.core.accounts.declare(defaultTenant, { email: own, password: alice.password })
    await ask(` ${own.toUpperCase().replace('E', '\uff25')} `)
    const notice = await mailed(own)
    expect(notice.subject).to.equal('You already have an account at Keyturn')
    expect(notice.link).to.equal(undefined)
    expect(notice.text).to.include(`${server.issuer}/password/forgot`)
    const [event] = (await eventsOf('account.sign_up_requested')).slice(-1)
    expect(event?.account_id).to.equal((await account(own))?.id)
  })

  it('confirms the exact spelling that names the account, and refuses look-alikes (C9)', async () => {
    const [local = ''] = email.split('@')
    const wide = `\uff41${local}@\uff45xample.com`
    await ask(wide)
    const url = await linkOf(`a${email}`)
    await choose(newAgent(), await newAgent().get(url))
    expect((await account(`a${email}`))?.email).to.equal(`a${email}`)
    for (const odd of [
      'nobody',
      'a@b@c',
      'x y@example.com',
      `a\u200b${email}`,
      `a\u3164${email}`,
      'a@',
      '"a"@b.c',
    ]) {
      expectFormAgain(await ask(odd), 400, 'sign-up-form', /not an e-mail address/)
    }
    expectFormAgain(await ask('  '), 400, 'sign-up-form', /Enter your/)
  })

  it('creates one account from a link that is submitted twenty times at once', async () => {
    await ask(email)
    const agent = newAgent()
    const form = await agent.get(await linkOf())
    const pages = await Promise.all(
      Array.from({ length: 20 }, (_, number) => choose(agent, form, { name: `Twin ${number}` })),
    )
    expect(pages.filter(({ status }) => status === 303)).to.have.length(1)
    expect(pages.every(({ status }) => [303, 400, 503].includes(status))).to.equal(true)
    const { accounts } = server.core
    const like = { text: email }
    expect((await accounts.views.page(defaultTenant, like, { limit: 9 })).rows).to.have.length(1)
    expectOver(await choose(agent, form))
  })

  it('creates one account from two links for one address, and accepts only the latest of each kind', async () => {
    await ask(email)
    const first = await linkOf()
    const shouted = email.replace(/^.*(?=@)/, (local) => local.toUpperCase())
    await ask(shouted)
    const second = await linkOf(shouted)
    expectOver(await newAgent().get(first))
    await server.core.invitations.create(defaultTenant, { email, language: 'en' })
    const third = await linkOf(email, 2)
    const agent = newAgent()
    const forms = [await agent.get(second), await agent.get(third)]
    const pages = await Promise.all(forms.map((form) => choose(agent, form)))
    expect(new Set(pages.map(({ status }) => status))).to.deep.equal(new Set([303, 400]))
    const left = await server.core.database.query('select 1 from enrolments where email_key = $1', [
      email,
    ])
    expect(left).to.deep.equal([])
  })

  it('is refused when another account has taken the address meanwhile', async () => {
    await ask(email)
    const agent = newAgent()
    const form = await agent.get(await linkOf())
    const other = `${randomUUID()}@example.com`
    await server.core.accounts.declare(defaultTenant, { email: other, password: alice.password })
    const owner = await account(other)
    if (!owner) throw new Error('no account')
    await server.core.accounts.changeEmail(owner, email)
    expectOver(await choose(agent, form))
    expect((await account())?.id).to.equal(owner.id)
  })

  it('gives the address of a deleted account to a new one with another id', async () => {
    await ask(email)
    await choose(newAgent(), await newAgent().get(await linkOf()))
    const former = await account()
    if (!former) throw new Error('no account')
    await server.core.revocations.deleteAccount(former, { by: 'owner' })
    expect((await mailed(email, 2)).subject).to.match(/was deleted$/)
    await ask(email)
    await choose(newAgent(), await newAgent().get(await linkOf(email, 3)))
    expect((await account())?.id)
      .to.be.a('string')
      .and.not.equal(former.id)
  })

  it('says what is wrong with a name or a password, and keeps the link', async () => {
    await ask(email)
    const agent = newAgent()
    const form = await agent.get(await linkOf())
    const short = { new_password: 'short', confirm_password: 'short' }
    expectFormAgain(await choose(agent, form, short), 400, 'finish-form', /too short/)
    const differ = { confirm_password: `${password}!` }
    expectFormAgain(await choose(agent, form, differ), 400, 'finish-form', /differ/)
    const own = { new_password: email, confirm_password: email }
    expectFormAgain(await choose(agent, form, own), 400, 'finish-form', /little more than/)
    const empty = { new_password: '', confirm_password: '' }
    expectFormAgain(await choose(agent, form, empty), 400, 'finish-form', /both fields/)
    expectFormAgain(
      await choose(agent, form, { name: 'x'.repeat(201) }),
      400,
      'finish-form',
      /name/,
    )
    expect(await account()).to.equal(undefined)
    expect((await choose(agent, form)).status).to.equal(303)
  })

  it('refuses a form from another site or without its token, and an invalid link (C23)', async () => {
    await ask(email)
    const url = new URL(await linkOf())
    const token = url.searchParams.get('token') ?? ''
    const agent = newAgent()
    const form = await agent.get(url)
    const csrf = form.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const fields = { token, new_password: password, confirm_password: password }
    const evil = { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } }
    expectFault(await agent.post('/sign-up/finish', fields), 403, /could not confirm/)
    expectFault(await agent.post('/sign-up/finish', { ...fields, csrf }, evil), 403, /could not/)
    expectFault(await agent.post('/sign-up', { email }), 403, /could not/)
    for (const bad of ['', 'x', 'a'.repeat(43)]) {
      expectOver(await agent.get(`/sign-up/finish?token=${bad}`))
    }
    expectOver(await agent.get('/sign-up/finish'))
    expect(await account()).to.equal(undefined)
  })

  it('builds links from the issuer only, whatever the headers say (C17)', async () => {
    const agent = newAgent()
    const form = await agent.get('/sign-up')
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example;proto=https',
    }
    await agent.submit(form, { fields: { email } }, { headers })
    const mail = await mailed()
    expect(mail.link?.startsWith(`${server.issuer}/sign-up/finish?`)).to.equal(true)
    expect(mail.raw).not.to.include('evil.example')
  })

  it('leaves no address in the outbox, and deletes expired sign-ups', async () => {
    await ask(email)
    await mailed()
    const kept = () =>
      server.core.database.query('select payload from outbox where payload::text like $1', [
        `%${email}%`,
      ])
    await eventually('no row with the address is left', async () => (await kept()).length === 0)
    travel(86_401)
    expectOver(await newAgent().get(await linkOf()))
    await sweepExpired(server.core)
    const left = await server.core.database.query('select 1 from enrolments')
    expect(left).to.deep.equal([])
    backToPresent()
  })
})
