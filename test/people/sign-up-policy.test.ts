import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { refusalOf } from '../support/cores.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import { codeOf } from '../support/second-factor.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, headingOf, textOf } from './story.ts'

const short = 'kQ7vw3Zp'

describe('people: signing up where a second factor is required (ASVS 6.2.1, 6.3.3)', () => {
  const { server, mailbox } = bootedWithMail({}, furnish)
  before(async () => {
    remember(short)
    await server.core.tenants.declareSignUp(tenant, { mode: 'open', domains: [] })
    await require(true)
  })

  const newAgent = () => createUserAgent({ origin: server.issuer })
  const require = (requireMfa: boolean) => server.core.tenants.setPolicy(tenant, { requireMfa })
  async function atFinish(agent: UserAgent, page: Page): Promise<Page> {
    const email = `${randomUUID()}@example.com`
    await agent.submit(page, { fields: { email } })
    const mails = () => mailbox.mails.filter(({ to }) => to === email)
    await nextMail('the link', mails)
    return agent.get(mails().at(-1)?.link ?? '')
  }
  const choose = (agent: UserAgent, page: Page) =>
    agent.submit(page, { fields: { new_password: short, confirm_password: short } })

  it('accepts 8 characters, and does not sign in before the factor is set up', async () => {
    const { agent, page } = await arrive(server, web, { prompt: 'create' }, newAgent())
    const finish = await atFinish(agent, page)
    expect(textOf(finish)).to.include('At least 8 characters')
    const setUp = await agent.follow(await choose(agent, finish))
    expect(headingOf(setUp)).to.equal('Add an authenticator app')
    const { page: nobody } = await arrive(server, web, { prompt: 'none' }, agent)
    expect(nobody.location?.searchParams.get('error')).to.equal('login_required')
    const secret = setUp.root.querySelector('#secret')?.textContent.replaceAll(' ', '') ?? ''
    remember(secret)
    const codes = await agent.submit(setUp, { fields: { otp: codeOf(secret) } })
    remember(...codes.root.querySelectorAll('#recovery-codes code').map((one) => one.textContent))
    expect(headingOf(await agent.follow(await agent.submit(codes)))).to.match(/^Allow Example/)
  })

  it('refuses a short password that was hashed before the tenant stopped requiring a factor', async () => {
    const { accounts, database } = server.core
    const email = `${randomUUID()}@example.com`
    const chosen = await accounts.hashChosen({ tenant, email }, short)
    await require(false)
    const enrol = () => database.transaction(() => accounts.enrol(tenant, { email }, chosen))
    await refusalOf(enrol(), 'password_policy')
    expect(await accounts.byIdentifier(tenant, email)).to.equal(undefined)
    const agent = newAgent()
    const finish = await atFinish(agent, await agent.get('/sign-up'))
    expect(textOf(finish)).to.include('At least 15 characters')
    expect((await choose(agent, finish)).status).to.equal(400)
  })
})
