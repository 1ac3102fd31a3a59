import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { parse } from 'yaml'
import { apply } from '../../src/cli/apply.ts'
import { checkApplyFile } from '../../src/cli/apply-file.ts'
import { tenantsList } from '../../src/cli/tenants.ts'
import { limits } from '../../src/limits/limits.ts'
import { defaultTenant, type SignUp } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { exportedFrom } from '../support/exported.ts'
import { alice, callback, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, credentials, expectFormAgain, headingOf, textOf } from './story.ts'

const password = 'a raven and a writing desk 7'
const newAddress = (domain = 'example.com') => `${randomUUID()}@${domain}`

/** Waits until every request has been answered in the background, by a mail or by none. */
const allAnswered = ({ core }: TestServer) =>
  eventually('every sign-up request is processed', async () => {
    const waiting = await core.database.query(
      `select 1 from outbox where kind in ('sign_up', 'mail') and delivered_at is null`,
    )
    return waiting.length === 0
  })

describe('people: who may sign up, by tenant', () => {
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(async () => {
    remember(password)
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
  })
  afterEach(() => set('closed'))

  const set = (mode: SignUp['mode'], domains: string[] = [], tenant = defaultTenant) =>
    server.core.tenants.declareSignUp(tenant, { mode, domains })
  const newAgent = () => createUserAgent({ origin: server.issuer })
  /** Waits for the status, since this process may have read the tenant half a second ago. */
  const shows = (status: number, path = '/sign-up') =>
    eventually(`${path} shows ${status}`, async () => {
      return (await newAgent().get(server.issuer + path)).status === status
    })
  async function ask(email: string, agent: UserAgent = newAgent()): Promise<Page> {
    return agent.submit(await agent.get('/sign-up'), { fields: { email } })
  }
  const linksTo = (address: string) =>
    mailbox.mails.filter(({ to, link }) => to === address && link).map(({ link = '' }) => link)
  async function linkTo(address: string): Promise<string> {
    await nextMail(`link to ${address}`, () => mailbox.mails.filter(({ to }) => to === address))
    return linksTo(address).at(-1) ?? ''
  }
  const choose = (agent: UserAgent, page: Page) =>
    agent.submit(page, { fields: { new_password: password, confirm_password: password } })
  async function prompts(): Promise<string[]> {
    const page = await newAgent().get('/.well-known/openid-configuration')
    return (page.json() as { prompt_values_supported: string[] }).prompt_values_supported
  }

  for (const mode of ['closed', 'invitation'] as const) {
    it(`${mode}: no sign-up page and no link to one; prompt=create is refused`, async () => {
      await set(mode)
      await shows(404)
      const { agent, page } = await arrive(server, web, {}, newAgent())
      expect(page.root.querySelector('#sign-up')).to.equal(null)
      for (const path of ['/sign-up', '/sign-up/sent', `${page.url.pathname}/sign-up`]) {
        const shown = await agent.follow(await agent.get(path))
        if (path.startsWith('/interaction')) expect(headingOf(shown)).to.equal('Sign in')
        else expect(shown.status, path).to.equal(404)
      }
      expect((await agent.post('/sign-up', { email: newAddress() })).status).to.equal(404)
      expect(await prompts()).not.to.include('create')
      const refused = await agent.get(authorizeUrl(server, web, { prompt: 'create' }))
      expect(refused.location?.href.startsWith(callback)).to.equal(true)
      expect(refused.location?.searchParams.get('error')).to.equal('invalid_request')
    })
  }

  it('open: prompt=create leads to sign-up and back to the client, also after signing in instead (P-018)', async () => {
    await set('open')
    await shows(200)
    expect(await prompts()).to.include('create')
    const { agent, page } = await arrive(server, web, { prompt: 'create' }, newAgent())
    expect(page.url.pathname).to.equal('/sign-up')
    const email = newAddress()
    await agent.submit(page, { fields: { email } })
    const consent = await agent.follow(await choose(agent, await agent.get(await linkTo(email))))
    const returned = await agent.follow(await agent.submit(consent))
    expect(returned.location?.searchParams.get('code')).to.be.a('string')

    // A signed-in user is asked too, and can sign in to an existing account instead.
    const again = await arrive(server, web, { prompt: 'create' }, agent)
    const link = again.page.root.querySelector('#to-sign-in')?.getAttribute('href') ?? ''
    const signIn = await agent.get(link)
    expectFormAgain(
      await agent.submit(signIn, { fields: { ...credentials, password: 'wrong' } }),
      403,
      'login-form',
      /do not match/,
    )
    // oidc-provider first ends the other session, by a form.
    const change = await agent.follow(await agent.submit(signIn, { fields: credentials }))
    const next = await agent.follow(await agent.submit(change))
    expect(textOf(next)).to.include(alice.email)
    const none = await agent.get(authorizeUrl(server, web, { prompt: 'none create' }))
    expect(none.location?.searchParams.get('error')).to.equal('invalid_request')
  })

  it('open: mails only to allowed domains, and voids links sent to others before', async () => {
    await set('open')
    await shows(200)
    const early = newAddress('early.example')
    await ask(early)
    const url = await linkTo(early)
    await set('open', ['example.com', 'xn--bcher-kva.example'])
    expect((await newAgent().get(url)).status, 'a domain that is no longer allowed').to.equal(400)
    const [other, sub] = [newAddress('other.example'), newAddress('sub.example.com')]
    const [wanted, wide] = [newAddress('EXAMPLE.com'), newAddress('b\u00fccher.example')]
    for (const address of [other, sub, wide, wanted]) await ask(address)
    expect(await linkTo(wanted.toLowerCase())).to.include('/sign-up/finish?token=')
    await allAnswered(server)
    const known = await server.core.database.query<{ domain: string }>(
      'select domain from enrolments where email = any($1) order by domain',
      [[other, sub, wide, wanted]],
    )
    expect(known.map(({ domain }) => domain)).to.deep.equal([
      'example.com',
      'xn--bcher-kva.example',
    ])
  })

  it('closing voids sign-up links, disabling a tenant voids all links; other tenants are not affected', async () => {
    await set('open')
    await set('open', [], 'acme')
    await shows(200)
    await shows(200, '/t/acme/sign-up')
    const email = newAddress()
    const agent = newAgent()
    await agent.submit(await agent.get(`${server.issuer}/t/acme/sign-up`), { fields: { email } })
    const url = await linkTo(email)
    expect(url.startsWith(`${server.issuer}/t/acme/sign-up/finish?`)).to.equal(true)
    const status = async (at = url) => (await newAgent().get(at)).status
    expect(await status(url.replace('/t/acme', ''))).to.equal(400)
    const form = await agent.get(url)
    for (const mode of ['invitation', 'closed'] as const) {
      await set(mode, [], 'acme')
      expect(await status(), mode).to.equal(400)
      expect((await choose(agent, form)).status, mode).to.equal(400)
    }
    await set('open', [], 'acme')
    await server.core.tenants.setDisabled('acme', true)
    await shows(404, '/t/acme/sign-up/finish?token=x')
    expect(await status()).to.equal(404)
    await server.core.tenants.setDisabled('acme', false)
    await eventually('acme is enabled again', async () => (await status()) === 200)
    expect((await choose(agent, form)).status).to.equal(303)
    const { accounts } = server.core
    expect((await accounts.byIdentifier('acme', email))?.emailVerified).to.equal(true)
    expect(await accounts.byIdentifier(defaultTenant, email)).to.equal(undefined)
  })

  it('is set by the apply file, shown by tenants list and export, and kept when a file does not mention it', async () => {
    const run = async (yaml: string) => {
      const content = parse(yaml) as unknown
      const document = await checkApplyFile(
        { name: 'x.yaml', folder: '.', content },
        defaultTenant,
        {},
      )
      const { changes } = await apply.execute(server.core, {
        tenant: defaultTenant,
        document,
        plan: false,
      })
      return changes.map(({ id, outcome }) => `${id} ${outcome}`)
    }
    const file = `
sign_up: { mode: open, domains: [example.org, EXAMPLE.com] }
tenants: [{ id: acme, name: Acme, sign_up: { mode: invitation } }]
`
    expect(await run(file)).to.deep.equal(['acme updated', 'default updated'])
    expect(await run(file)).to.deep.equal(['acme unchanged', 'default unchanged'])
    expect(await run('tenants: [{ id: acme, name: Acme }]')).to.deep.equal(['acme unchanged'])
    const listed = await tenantsList.execute(server.core, {})
    expect(tenantsList.render(listed)).to.match(/^acme .* sign-up invitation/m)
    expect(tenantsList.render(listed)).to.match(/^default .* sign-up open example.com example.org/m)
    const exported = await exportedFrom(server.core, defaultTenant)
    expect(exported.sign_up).to.deep.equal({
      mode: 'open',
      domains: ['example.com', 'example.org'],
    })
    expect(exported.tenants?.[0]?.sign_up).to.deep.equal({ mode: 'invitation', domains: [] })
  })
})

describe('people: limits on signing up (ASVS 2.4.1)', () => {
  let server: TestServer
  let mailbox: Mailbox
  before(async () => {
    mailbox = await openMailbox()
    server = await boot(anyStorage, {
      SMTP_URL: mailbox.url,
      RATE_LIMITS: 'on',
      TRUST_PROXY: '127.0.0.0/8',
    })
    await server.core.tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
  })
  after(async () => {
    backToPresent()
    await server?.stop()
    await mailbox?.stop()
  })
  // Time stands still, so that the limits do not refill.
  beforeEach(() => travel(0))
  afterEach(backToPresent)

  async function ask(email: string, from: string): Promise<Page> {
    const agent = createUserAgent({ origin: server.issuer })
    const options = { headers: { 'x-forwarded-for': from } }
    return agent.submit(await agent.get('/sign-up', options), { fields: { email } }, options)
  }

  it('mail three times an hour to one mailbox, with or without an account, with the same response', async () => {
    const { core } = server
    const known = newAddress()
    await core.accounts.declare(defaultTenant, { email: known, password: alice.password })
    const stranger = newAddress()
    const [local = '', domain = ''] = stranger.split('@')
    const answers = new Set<string>()
    for (const address of [known, known.toUpperCase(), known, known]) {
      answers.add((await ask(address, '192.0.2.1')).body)
    }
    for (const tag of ['', '+a', '+b', '+c', '+d']) {
      answers.add((await ask(`${local}${tag}@${domain}`, '198.51.100.1')).body)
    }
    expect(answers.size).to.equal(1)
    await allAnswered(server)
    const to = (start: string) =>
      mailbox.mails.filter((mail) => mail.to.toLowerCase().startsWith(start.toLowerCase())).length
    expect([to(known.split('@')[0] ?? ''), to(local)]).to.deep.equal([3, 3])
    expect(server.logged()).to.include('no further sign-up is mailed to this address now')
  })

  it('apply to each network separately', async () => {
    const { most } = limits.sign_up_network
    const limit = { limit: 'sign_up_network', subject: '203.0.113.0/24', cost: most - 1 } as const
    await server.core.limiter.take(defaultTenant, limit)
    expect((await ask(newAddress(), '203.0.113.1')).status).to.equal(303)
    const page = await ask(newAddress(), '203.0.113.2')
    expectFormAgain(page, 429, 'sign-up-form', /Too many accounts/)
    expect(Number(page.headers.get('retry-after'))).to.be.within(1, 600)
    expect((await ask(newAddress(), '198.51.100.2')).status).to.equal(303)
  })
})

describe('people: signing up without a mail server', () => {
  const onServers = servicesFound() ? it : it.skip
  onServers('is not offered, even where the tenant is open', async () => {
    const server = await boot('services')
    try {
      await server.core.tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
      const agent = createUserAgent({ origin: server.issuer })
      for (const path of ['/sign-up', '/sign-up/finish?token=x', '/sign-up/done']) {
        expect((await agent.get(path)).status, path).to.equal(404)
      }
    } finally {
      await server.stop()
    }
  })
})
