import { randomUUID } from 'node:crypto'
import { hashSync as bcrypt } from 'bcrypt'
import { expect } from 'chai'
import { doctorStorage } from '../../src/cli/doctor-storage.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { ask as askAdmin, machineWith, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { type Mail, type Mailbox, nextMail, openMailbox, writtenMail } from '../support/mailbox.ts'
import { authorizeUrl, refresh, tokensFor } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { codeOf, factorOwner } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFault, expectFormAgain, headingOf, textOf } from './story.ts'

const fresh = 'a raven and a writing desk 7'

describe('people: resetting a forgotten password (C8, C10, C17, ASVS 6.4.3, 6.3.7)', () => {
  let server: TestServer
  let mailbox: Mailbox
  before(async () => {
    remember(fresh)
    mailbox = await openMailbox()
    server = await boot(anyStorage, { SMTP_URL: mailbox.url })
    await furnish(server)
  })
  // Each test has its own account, with the password of Alice.
  let email = alice.email
  beforeEach(async () => {
    email = `${randomUUID()}@example.com`
    await server.core.accounts.declare(defaultTenant, { email, password: alice.password })
  })
  afterEach(backToPresent)
  after(async () => {
    await server?.stop()
    await mailbox?.stop()
  })

  const newAgent = () => createUserAgent({ origin: server.issuer })
  const ask = async (username: string, agent: UserAgent = newAgent()): Promise<Page> =>
    agent.submit(await agent.get(`${server.issuer}/password/forgot`), { fields: { username } })
  const isReset = ({ subject, to }: Mail) => to === email && /Choose a new password/.test(subject)
  const resets = () => mailbox.mails.filter(isReset)
  async function mailed(count = 1): Promise<string> {
    await nextMail(`mail ${count}`, () => resets().slice(count - 1))
    return resets()[count - 1]?.link as string
  }
  const choose = (agent: UserAgent, page: Page, password = fresh) =>
    agent.submit(page, { fields: { new_password: password, confirm_password: password } })
  const fits = (password: string) =>
    server.core.accounts.authenticate(defaultTenant, email, password, { ip: '192.0.2.1' }).then(
      () => true,
      () => false,
    )

  it('has a link that survives a rehash at sign-in, and is void after a password change', async () => {
    email = `${randomUUID()}@example.com`
    const { accounts } = server.core
    const passwordHash = bcrypt(alice.password, 5)
    await accounts.declare(defaultTenant, { email, passwordHash })
    await ask(email)
    const link = await mailed()
    expect(await fits(alice.password)).to.equal(true)
    const [row] = await server.core.database.query<{ hash: string }>(
      'select hash from passwords where account_id = $1',
      [(await accounts.byIdentifier(defaultTenant, email))?.id],
    )
    expect(row?.hash, 'rehashed').to.match(/^\$argon2id\$/)
    expect((await newAgent().get(link)).status).to.equal(200)
    await accounts.declare(defaultTenant, { email, password: `${fresh}!` })
    expect((await newAgent().get(link)).status).to.equal(400)
  })

  it('leaves no row in the outbox once it is answered, for any address (C25)', async () => {
    await ask(email)
    await ask(`${randomUUID()}@example.com`)
    await mailed()
    await eventually('both requests are processed and deleted', async () => {
      const rows = await server.core.database.query(
        `select 1 from outbox where kind = 'password_reset'`,
      )
      return rows.length === 0
    })
  })

  it('leads from the sign-in page to a new password, and revokes earlier tokens', async () => {
    email = alice.email
    const tokens = await tokensFor(server, web, { scope: 'openid offline_access' })
    const { agent, page } = await arrive(server, web)
    const link = page.root.querySelector('#forgot')?.getAttribute('href') ?? ''
    const form = await agent.get(new URL(link, server.issuer))
    const sent = await agent.follow(await agent.submit(form, { fields: { username: email } }))
    expect(headingOf(sent)).to.equal('Check your e‑mail')
    const url = await mailed()
    expect(url).to.match(new RegExp(`^${server.issuer}/password/reset\\?token=[\\w-]{43}$`))

    const other = newAgent()
    for (const again of [1, 2]) {
      const opened = await other.get(url)
      expect(opened.status, `opening ${again}, as mail scanners do`).to.equal(200)
    }
    const chosen = await choose(other, await other.get(url))
    expect(chosen.location?.pathname).to.equal('/password/changed')
    expect(headingOf(await other.follow(chosen))).to.equal('Your password has been changed')
    expect(await fits(alice.password)).to.equal(false)
    expect(await fits(fresh)).to.equal(true)
    expect((await refresh(server, web, tokens)).status).to.equal(400)
    const silent = await other.get(authorizeUrl(server, web, { prompt: 'none' }))
    expect(silent.location?.searchParams.get('error'), 'it does not sign in').to.equal(
      'login_required',
    )
    const notice = await nextMail(
      'notice',
      () => mailbox.mails,
      ({ to, subject }) => to === email && /was changed/.test(subject),
    )
    expect(notice.text).to.include(`${server.issuer}/password/forgot`)
    expectOver(await other.get(url))
  })

  it('accepts a link once, even if it is sent twenty times at once', async () => {
    await ask(email)
    const url = await mailed()
    const agent = newAgent()
    const form = await agent.get(url)
    const pages = await Promise.all(
      Array.from({ length: 20 }, (_, number) => choose(agent, form, `${fresh} ${number}`)),
    )
    expect(pages.filter(({ status }) => status === 303)).to.have.length(1)
    expect(pages.every(({ status }) => [303, 400, 503].includes(status))).to.equal(true)
    expectOver(await agent.get(url))
    expectOver(await choose(agent, form))
  })

  function expectOver(page: Page): void {
    expect(page.status).to.equal(400)
    expect(headingOf(page)).to.equal('This link is no longer valid')
  }

  it('accepts only the latest link', async () => {
    await ask(email)
    const first = await mailed()
    const agent = newAgent()
    const form = await agent.get(first)
    await ask(email)
    const second = await mailed(2)
    expectOver(await agent.get(first))
    expectOver(await choose(agent, form))
    expect((await choose(agent, await agent.get(second))).status).to.equal(303)
  })

  it('refuses a link that expired or whose account changed meanwhile', async () => {
    const changes: Record<string, () => Promise<unknown>> = {
      'another password': () =>
        server.core.accounts.declare(defaultTenant, {
          email: email,
          password: 'tea at six, always tea 3',
        }),
      'half an hour': async () => travel(1801),
    }
    let count = 0
    for (const [what, change] of Object.entries(changes)) {
      await ask(email)
      const url = await mailed(++count)
      const agent = newAgent()
      const form = await agent.get(url)
      await change()
      expectOver(await agent.get(url))
      expectOver(await choose(agent, form))
      expect(await fits(fresh), what).to.equal(false)
    }
  })

  it('refuses a disabled account, an invented token and one for another purpose', async () => {
    await ask(email)
    const url = await mailed()
    const { accounts, actionTokens } = server.core
    const account = await accounts.byIdentifier(defaultTenant, email)
    if (!account) throw new Error('no account')
    const id = await actionTokens.issue(defaultTenant, 'verification', account)
    const other = await actionTokens.forDelivery(defaultTenant, id ?? '')
    const agent = newAgent()
    for (const token of ['', 'x', other?.token ?? '', 'a'.repeat(43)]) {
      expectOver(await agent.get(`/password/reset?token=${token}`))
    }
    const form = await agent.get(url)
    await accounts.setDisabled(account, true)
    expectOver(await choose(agent, form))
    await accounts.setDisabled(account, false)
    expect(await fits(fresh)).to.equal(false)
  })

  it('says what is wrong with a password and keeps the link', async () => {
    await ask(email)
    const agent = newAgent()
    const form = await agent.get(await mailed())
    expectFormAgain(await choose(agent, form, 'short'), 400, 'password-form', /too short/)
    const differ = { new_password: fresh, confirm_password: `${fresh}!` }
    expectFormAgain(await agent.submit(form, { fields: differ }), 400, 'password-form', /differ/)
    expect((await choose(agent, form)).status).to.equal(303)
  })

  it('refuses a form from another site or without its token (C23)', async () => {
    await ask(email)
    const url = new URL(await mailed())
    const token = url.searchParams.get('token') ?? ''
    const agent = newAgent()
    const form = await agent.get(url)
    const csrf = form.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const fields = { token, new_password: fresh, confirm_password: fresh }
    expectFault(await agent.post('/password/reset', fields), 403, /could not confirm/)
    const evil = { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } }
    expectFault(await agent.post('/password/reset', { ...fields, csrf }, evil), 403, /could not/)
    expectFault(await agent.post('/password/forgot', { username: email }), 403, /could not/)
    expect(await fits(alice.password)).to.equal(true)
  })

  it('builds links from the issuer only, whatever the headers say (C17)', async () => {
    const agent = newAgent()
    const form = await agent.get('/password/forgot')
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-prefix': '/evil',
      'x-forwarded-port': '1',
      forwarded: 'host=evil.example;proto=https',
    }
    await agent.submit(form, { fields: { username: email } }, { headers })
    const url = await mailed()
    expect(url.startsWith(`${server.issuer}/password/reset?`)).to.equal(true)
    expect(resets()[0]?.raw).not.to.include('evil.example')
  })

  it('builds links of a tenant below its issuer, and refuses them in other tenants', async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await server.core.accounts.declare('acme', { email, password: alice.password })
    const agent = newAgent()
    const form = await agent.get(`${server.issuer}/t/acme/password/forgot`)
    await agent.submit(form, { fields: { username: email } })
    const url = await mailed()
    expect(url.startsWith(`${server.issuer}/t/acme/password/reset?`)).to.equal(true)
    expectOver(await agent.get(url.replace('/t/acme', '')))
    expect((await choose(agent, await agent.get(url))).status).to.equal(303)
    expect(await fits(alice.password), 'default tenant').to.equal(true)
  })

  it('lifts a permanent lock, but no pause (NIST SP 800-63B-4 §3.2.2)', async () => {
    const guess = () =>
      server.core.accounts
        .authenticate(defaultTenant, email, 'wrong', { ip: '192.0.2.1' })
        .catch(() => {})
    const { id } = (await server.core.accounts.byIdentifier(defaultTenant, email)) ?? { id: '' }
    const failures = async () => (await server.core.lockouts.list(defaultTenant, [id]))[0]?.failures
    for (let tries = 0; tries < 6; tries += 1) await guess()
    await ask(email)
    const agent = newAgent()
    await choose(agent, await agent.get(await mailed()))
    expect(await failures(), 'the pause stays').to.equal(5)
    await server.core.database.execute(
      `update lockouts set failures = 80 where source = 'strangers' and account_id = $1`,
      [id],
    )
    await ask(email)
    expect(
      (await choose(agent, await agent.get(await mailed(2)), `${fresh} again`)).status,
    ).to.equal(303)
    expect(await failures()).to.equal(undefined)
    expect(await fits(`${fresh} again`)).to.equal(true)
  })

  it('lets the owner in from the browser where it was chosen, even while others guess (C9)', async () => {
    for (let tries = 0; tries < 6; tries += 1) await fits('wrong')
    await ask(email)
    const agent = newAgent()
    await choose(agent, await agent.get(await mailed()))
    const enter = async (browser: UserAgent) => {
      const { page } = await arrive(server, web, {}, browser)
      return browser.submit(page, { fields: { username: email, password: fresh } })
    }
    expect((await enter(newAgent())).status, 'another browser').to.equal(403)
    expect((await enter(agent)).status).to.equal(303)
  })

  it('is followed by a sign-in that notifies the owner of a new device (ASVS 6.3.5)', async () => {
    const { accounts, audit } = server.core
    const { id = '' } = (await accounts.byIdentifier(defaultTenant, email)) ?? {}
    await accounts.verifyEmail(defaultTenant, id, email)
    await ask(email)
    const agent = newAgent()
    await choose(agent, await agent.get(await mailed()))
    const { page } = await arrive(server, web, {}, agent)
    const entered = await agent.submit(page, { fields: { username: email, password: fresh } })
    expect(entered.status).to.equal(303)
    const which = { types: ['account.signed_in'], limit: 1 } as const
    const [event] = await audit.ofAccount(defaultTenant, id, which)
    expect(event?.detail).to.include({ new_device: true })
    await nextMail(
      'new device',
      () => mailbox.mails,
      ({ to, subject }) => to === email && subject === 'New sign-in to Keyturn',
    )
  })

  it('allows no further guess at a second factor (C20)', async () => {
    const owner = await factorOwner(server.core)
    email = owner.username
    for (let tries = 0; tries < 6; tries += 1) await fits('wrong')
    await ask(email)
    const agent = newAgent()
    await choose(agent, await agent.get(await mailed()))
    const { page } = await arrive(server, web, {}, agent)
    const next = await agent.submit(page, { fields: { username: email, password: fresh } })
    const factor = await agent.follow(next)
    const refused = await agent.submit(factor, { fields: { otp: codeOf(owner.secret) } })
    expectFormAgain(refused, 403, 'factor-form', /wrong/)
    const [lockout] = await server.core.lockouts.list(defaultTenant, [owner.id])
    expect(lockout).to.include({ failures: 5, refused: 2 })
  })

  it('is mailed ahead of a flood to known browsers, for operators, and to networks without recent requests', async () => {
    const { accounts, outbox, passwordReset } = server.core
    const at = (name: string) => `${name}-${randomUUID()}@example.com`
    const people = { late: at('late'), first: at('first'), operated: at('operated'), known: email }
    for (const address of Object.values(people))
      await accounts.declare(defaultTenant, { email: address, password: alice.password })
    const agent = newAgent()
    const { page } = await arrive(server, web, {}, agent)
    await agent.submit(page, { fields: { username: email, password: alice.password } })
    await outbox.stop()
    const askFrom = (ip: string, name: string) =>
      passwordReset.ask(defaultTenant, name, { ip, language: 'en' })
    for (let i = 0; i < 80; i++)
      await askFrom(`127.0.0.${i}`, i === 40 ? people.late : `nobody-${i}@example.com`)
    await askFrom('198.51.100.1', people.first)
    await ask(people.known, agent)
    const { id } = (await accounts.byIdentifier(defaultTenant, people.operated)) ?? { id: '' }
    const token = await tokenOf(server, await machineWith(server, 'owner'))
    const path = `/tenants/default/accounts/${id}/reset-mail`
    expect((await askAdmin(server, 'POST', path, { token })).status).to.equal(204)
    const began = mailbox.mails.length
    outbox.start()
    const arrived = () =>
      mailbox.mails
        .slice(began)
        .flatMap(({ subject, to }) => (/Choose a new password/.test(subject) ? to : []))
    await eventually('all four mails arrive', () => arrived().length === 4)
    expect(arrived()[3]).to.equal(people.late)
  })

  it('requires an identifier', async () => {
    expectFormAgain(await ask('  '), 400, 'forgot-form', /Enter your/)
    expect(textOf(await newAgent().get('/password/sent'))).to.match(/on its way/)
  })
})

describe('people: resetting a password without a mail server', () => {
  it('writes the mail to a folder in embedded mode, in German if the browser prefers it', async () => {
    const server = await boot('embedded')
    try {
      await furnish(server)
      const agent = createUserAgent({ origin: server.issuer })
      const headers = { 'accept-language': 'de' }
      const form = await agent.get('/password/forgot', { headers })
      await agent.submit(form, { fields: { username: alice.email } }, { headers })
      const mail = await nextMail('mail', () => writtenMail(server))
      expect(mail.subject).to.equal('Neues Passwort für Keyturn wählen')
      expect(mail.text).to.include('Wenn Sie das waren, wählen Sie es hier')
      // The file exists a moment before the log line.
      await eventually('the log names the file', () =>
        server.logged().includes('written to a file and not sent'),
      )
    } finally {
      await server.stop()
    }
  })

  const onServers = servicesFound() ? it : it.skip
  onServers('is not offered on servers without SMTP_URL, and the log says so', async () => {
    const server = await boot('services')
    try {
      await furnish(server)
      const { agent, page } = await arrive(server, web)
      expect(page.root.querySelector('#forgot')).to.equal(null)
      for (const path of ['/password/forgot', '/password/reset?token=x', '/email/verify?token=x']) {
        expect((await agent.get(`${server.issuer}${path}`)).status, path).to.equal(404)
      }
      expect(server.logged()).to.include('mail is not sent because SMTP_URL is not set')
      const checks = await doctorStorage.execute(server.core, {})
      expect(checks.find(({ name }) => name === 'mail')?.status).to.equal('warn')
    } finally {
      await server.stop()
    }
  })
})
