import { expect } from 'chai'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { arrive, expectFormAgain, headingOf, textOf, type Visit } from './story.ts'

const chosen = 'a password of my own choosing'

onAnyStorage('people: one-time passwords', (kind) => {
  const server = booted(kind, {}, furnish)
  let people = 0

  /** A new account and its one-time password. */
  async function newcomer(): Promise<{ username: string; password: string }> {
    people += 1
    const { account, oneTimePassword = '' } = await server.core.accounts.create('default', {
      email: `newcomer-${people}@example.com`,
    })
    return { username: account.email, password: oneTimePassword }
  }

  /** A browser at the form for a new password. */
  async function atChoice(who: { username: string; password: string }): Promise<Visit> {
    const { agent, page } = await arrive(server, web)
    const answer = await agent.submit(page, { fields: who })
    expect(answer.status, 'a redirect, so that a reload does not send the password again').to.equal(
      303,
    )
    return { agent, page: await agent.follow(answer) }
  }

  const choice = (password: string, again = password) => ({
    fields: { new_password: password, confirm_password: again },
  })

  it('do not sign in before a new password is chosen (ASVS 6.4.1)', async () => {
    const who = await newcomer()
    const { agent, page } = await atChoice(who)
    expect(headingOf(page)).to.equal('Choose a new password')
    expect(textOf(page)).to.include(who.username)
    const elsewhere = await arrive(server, web, { prompt: 'none' }, agent)
    expect(elsewhere.page.location?.searchParams.get('error')).to.equal('login_required')
  })

  it('are replaced for good by the chosen password', async () => {
    const who = await newcomer()
    const { agent, page } = await atChoice(who)
    const done = await agent.submit(page, choice(chosen))
    expect(done.status, 'P-013').to.equal(303)
    expect(headingOf(await agent.follow(done))).to.match(/^Allow/)

    const old = await arrive(server, web)
    const refused = await old.agent.submit(old.page, { fields: who })
    expectFormAgain(refused, 403, 'login-form', /do not match/)
    const now = await old.agent.submit(refused, { fields: { ...who, password: chosen } })
    expect(headingOf(await old.agent.follow(now))).to.match(/^Allow/)
  })

  it('stay valid when the new password is refused, with the reason (ASVS 6.2.1, K-10)', async () => {
    const who = await newcomer()
    const { agent, page } = await atChoice(who)
    for (const [form, reason] of [
      [choice('', ''), /both fields/],
      [choice(chosen, ''), /both fields/],
      [choice('short'), /at least 15 characters/],
      [choice(chosen, `${chosen}!`), /differ/],
      [choice(who.password), /one-time password/],
      [choice('x'.repeat(1025)), /too long/],
    ] as const) {
      expectFormAgain(await agent.submit(page, form), 400, 'password-form', reason)
    }
    expect((await agent.submit(page, choice(chosen))).status).to.equal(303)
  })

  it('work in one browser only, even if two reached the form', async () => {
    const who = await newcomer()
    const [one, two] = [await atChoice(who), await atChoice(who)]
    expect((await one.agent.submit(one.page, choice(chosen))).status).to.equal(303)
    const late = await two.agent.submit(two.page, choice('another password of my own'))
    expectFormAgain(late, 403, 'login-form', /do not match/)
    const again = await arrive(server, web)
    const answer = await again.agent.submit(again.page, { fields: { ...who, password: chosen } })
    expect(answer.status, 'the first choice stays').to.equal(303)
  })

  it('are used once when several browsers choose at the same moment', async () => {
    const who = await newcomer()
    const visits = await Promise.all([atChoice(who), atChoice(who), atChoice(who)])
    const answers = await Promise.all(
      visits.map(({ agent, page }, i) => agent.submit(page, choice(`${chosen} ${i}`))),
    )
    expect(answers.map(({ status }) => status)).to.have.members([303, 403, 403])
  })

  it('are void as soon as an operator issues a new one', async () => {
    const who = await newcomer()
    const { agent, page } = await atChoice(who)
    const account = await server.core.accounts.byIdentifier('default', who.username)
    if (!account) throw new Error('no such account')
    await server.core.accounts.resetPassword(account, await server.core.accounts.readyOneTime())
    expectFormAgain(await agent.submit(page, choice(chosen)), 403, 'login-form', /do not match/)
  })

  it('cannot be skipped: the sign-in form is shown instead (C7, ASVS 2.3.1)', async () => {
    const { agent, page } = await arrive(server, web)
    const deep = await agent.get(`${page.url.href}/password`)
    expect(deep.status).to.equal(303)
    const shown = await agent.follow(deep)
    expect(shown.root.querySelector('form')?.id).to.equal('login-form')
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const posted = await agent.post(`${page.url.href}/password`, {
      csrf,
      new_password: chosen,
      confirm_password: chosen,
    })
    expect(posted.status).to.equal(400)
    expect(posted.root.querySelector('form')?.id).to.equal('login-form')
  })

  it('can be cancelled, which the client is told', async () => {
    const { agent, page } = await atChoice(await newcomer())
    const left = await agent.follow(await agent.submit(page, { form: '#cancel-form' }))
    expect(left.location?.searchParams.get('error')).to.equal('access_denied')
  })
})

describe('people: the first operator', () => {
  after(backToPresent)
  const server = booted(anyStorage, { OPERATOR_EMAIL: 'root@example.com' })

  it('signs in to the account page with a one-time password until it expires (ASVS 6.4.1, C30)', async () => {
    const [operator] = await server.core.accounts.lists.operators('default')
    if (!operator) throw new Error('no operator')
    expect(await server.core.firstStart(), 'none at a second start').to.equal(undefined)
    const password = await server.core.accounts.resetPassword(
      operator,
      await server.core.accounts.readyOneTime(),
    )
    const who = { username: operator.email, password }

    travel(24 * 3600 + 1)
    const late = await arriveAtAccount()
    const refused = await late.agent.submit(late.page, { fields: who })
    expectFormAgain(refused, 403, 'login-form', /no longer valid/)
    backToPresent()

    const { agent, page } = await arriveAtAccount()
    const choose = await agent.follow(await agent.submit(page, { fields: who }))
    const account = await agent.follow(
      await agent.submit(choose, {
        fields: { new_password: chosen, confirm_password: chosen },
      }),
    )
    expect(headingOf(account)).to.equal('Your account')
    expect(textOf(account)).to.include(operator.email)
  })

  async function arriveAtAccount(): Promise<Visit> {
    const agent = createUserAgent()
    return { agent, page: await agent.follow(await agent.get(`${server.issuer}/account`)) }
  }
})
