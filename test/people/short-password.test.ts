import { hash as argon2 } from '@node-rs/argon2'
import { expect } from 'chai'
import { accountsRemoveFactors } from '../../src/cli/accounts-change.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { booted } from '../support/boot.ts'
import { refusalOf } from '../support/cores.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { codeOf, factorOwner, type Owner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { arrive, expectFormAgain, headingOf, textOf } from './story.ts'

const formOf = (page: Page) => page.root.querySelector('form')?.id
const short = 'kQ7vw3Zp'
const long = 'rather more words than before'
const visitor = { ip: '192.0.2.1' }

describe('people: a shorter password beside a second factor (NIST SP 800-63B-4 §3.1.1.2, ASVS 6.2.1)', () => {
  const server = booted('embedded', {}, furnish)
  before(async () => {
    remember(short, long)
  })
  afterEach(async () => {
    backToPresent()
    await server.core.tenants.setPolicy(tenant, { requireMfa: false })
  })

  type Person = Omit<Owner, 'secret' | 'recoveryCodes'> & { secret?: string }

  async function open(path: string, { username, password, secret = '' }: Person, agent: UserAgent) {
    let page = await agent.follow(await agent.get(`${server.issuer}/account/${path}`))
    if (formOf(page) === 'login-form') {
      page = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    }
    if (formOf(page) === 'factor-form') {
      page = await agent.follow(await agent.submit(page, { fields: { otp: codeOf(secret) } }))
    }
    return page
  }
  const fieldsOf = (current: string, next: string) => ({
    form: '#password-form',
    fields: { current_password: current, new_password: next, confirm_password: next },
  })
  const change = (agent: UserAgent, page: Page, current: string, next: string) =>
    agent.submit(page, fieldsOf(current, next))
  const account = async ({ username }: { username: string }) => {
    const found = await server.core.accounts.byIdentifier(tenant, username)
    if (!found) throw new Error('no such account')
    return found
  }
  /** An account with a factor and a short password. */
  async function shortOwner(): Promise<Owner> {
    const owner = await factorOwner(server.core)
    const { accounts } = server.core
    const found = await account(owner)
    await accounts.setChosen(found, await accounts.hashChosen(found, short))
    return { ...owner, password: short }
  }

  it('needs 8 characters with a factor and 15 without; leaked ones are refused in both cases', async () => {
    const [person, owner] = [await somebody(server.core), await factorOwner(server.core)]
    const one = createUserAgent({ origin: server.issuer })
    const alone = await open('password', person, one)
    expect(textOf(alone)).to.include('At least 15').and.not.include('a password alone needs')
    expectFormAgain(
      await change(one, alone, person.password, short),
      400,
      'password-form',
      /at least 15/i,
    )

    const two = createUserAgent({ origin: server.issuer })
    const beside = await open('password', owner, two)
    expect(textOf(beside)).to.include('At least 8').and.include('a password alone needs 15')
    const tooShort = await change(two, beside, owner.password, short.slice(1))
    expectFormAgain(tooShort, 400, 'password-form', /at least 8/i)
    expectFormAgain(
      await change(two, tooShort, owner.password, 'password1'),
      400,
      'password-form',
      /leak/,
    )
    const changed = await change(two, tooShort, owner.password, short)
    expect([changed.status, changed.location?.search]).to.deep.equal([
      303,
      '?done=password-changed',
    ])
    await server.core.accounts.authenticate(tenant, owner.username, short, visitor)
  })

  it('keeps the last factor until a longer password is chosen', async () => {
    const owner = await shortOwner()
    const agent = createUserAgent({ origin: server.issuer })
    const list = await open('factors', owner, agent)
    const [factor] = await server.core.factors.list(tenant, owner.id)
    const kept = await agent.submit(list, { form: `#remove-${factor?.id}` })
    expect([kept.status, textOf(kept).includes('Your password is short')]).to.deep.equal([
      409,
      true,
    ])
    const link = kept.root.querySelector('#change-password')?.getAttribute('href') ?? ''
    const form = await agent.get(new URL(link, kept.url))
    await change(agent, form, short, long)
    const again = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    const gone = await agent.follow(await agent.submit(again, { form: `#remove-${factor?.id}` }))
    expect(textOf(gone)).to.include('You have added nothing yet')
  })

  it('must be replaced at the next sign-in after an operator removed the factors (ASVS 6.4.4)', async () => {
    const owner = await shortOwner()
    await accountsRemoveFactors.execute(server.core, { tenant, identifier: owner.username })
    const { agent, page } = await arrive(server, web)
    const login = { fields: { username: owner.username, password: short } }
    const asked = await agent.follow(await agent.submit(page, login))
    expect(headingOf(asked)).to.equal('Choose a new password')
    expect(textOf(asked)).to.include('Your password is short').and.include('At least 15')
    const twice = (password: string) => ({
      fields: { new_password: password, confirm_password: password },
    })
    expectFormAgain(await agent.submit(asked, twice(short)), 400, 'password-form', /at least 15/i)
    const { page: silent } = await arrive(server, web, { prompt: 'none' }, agent)
    expect(silent.location?.searchParams.get('error')).to.equal('login_required')
    const chosen = await agent.follow(await agent.submit(asked, twice(long)))
    expect(formOf(chosen)).to.equal('consent-form')
    const { mustChange } = await server.core.accounts.authenticate(
      ...([tenant, owner.username, long, visitor] as const),
    )
    expect(mustChange).to.equal(undefined)
  })

  it('can be set by mail if the account has a factor at that moment', async () => {
    const agent = createUserAgent({ origin: server.issuer })
    const choose = async (username: string) => {
      const form = await agent.get(`${server.issuer}/password/forgot`)
      await agent.submit(form, { fields: { username } })
      const isReset = (mail: { to: string; link: string | undefined }) =>
        mail.to === username && mail.link !== undefined
      const { link = '' } = await nextMail('a reset', () => writtenMail(server), isReset)
      const page = await agent.get(link)
      const fields = { new_password: short, confirm_password: short }
      return agent.submit(page, { fields })
    }
    const refused = await choose((await somebody(server.core)).username)
    expectFormAgain(refused, 400, 'password-form', /at least 15/i)
    const changed = await choose((await factorOwner(server.core)).username)
    expect(changed.location?.pathname).to.equal('/password/changed')
  })

  it('is accepted while the tenant requires a factor, and must be replaced afterwards', async () => {
    const { core } = server
    const wanted = { email: 'short@example.com', password: short }
    await refusalOf(core.accounts.create(tenant, wanted), 'password_policy')
    await core.tenants.setPolicy(tenant, { requireMfa: true })
    await core.accounts.create(tenant, wanted)
    const signIn = () => core.accounts.authenticate(tenant, wanted.email, short, visitor)
    expect((await signIn()).mustChange).to.equal(undefined)
    await core.tenants.setPolicy(tenant, { requireMfa: false })
    expect((await signIn()).mustChange).to.include({ why: 'short' })
  })

  it('stays marked as short when it is rehashed', async () => {
    const { core } = server
    const owner = await shortOwner()
    const cheap = await argon2(short, { memoryCost: 1024, timeCost: 1, parallelism: 1 })
    await core.database.execute('update passwords set hash = $2 where account_id = $1', [
      ...[owner.id, cheap],
    ])
    await core.accounts.authenticate(tenant, owner.username, short, visitor)
    travel(1)
    const [factor] = await core.factors.list(tenant, owner.id)
    const removed = await core.factors.remove(tenant, owner.id, factor?.id ?? '', { by: 'owner' })
    expect(removed).to.equal('short_password')
  })
})
