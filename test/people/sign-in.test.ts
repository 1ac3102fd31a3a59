import { expect } from 'chai'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { boot, booted, type TestServer } from '../support/boot.ts'
import { finishSteps } from '../support/devices.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { expectReturned, signIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { arrive, arriveSignedIn, credentials, expectFormAgain, textOf } from './story.ts'

onAnyStorage('people: signing in', (kind) => {
  const server = booted(kind, {}, furnish)
  before(async () => {
    await server.core.accounts.create('default', { email: 'nobody@example.com' })
    const { account } = await server.core.accounts.create('default', {
      email: 'gone@example.com',
      password: alice.password,
    })
    await server.core.accounts.setDisabled(account, true)
  })

  it("shows the client's name, and fills in login_hint (K-09)", async () => {
    const { page } = await arrive(server, web, { login_hint: 'hinted@example.com' })
    expect(page.status).to.equal(200)
    expect(textOf(page)).to.include(web.client_name)
    expect(page.root.querySelector('#username')?.getAttribute('value')).to.equal(
      'hinted@example.com',
    )
    expect(page.root.querySelector('#password')?.getAttribute('type'), 'ASVS 6.2.6').to.equal(
      'password',
    )
  })

  it('in a tab opened before another account signed in replaces that session (K-10)', async () => {
    const bob = { username: 'another-tab@example.com', password: alice.password }
    await server.core.accounts.create('default', { email: bob.username, password: bob.password })
    const { agent, page } = await arrive(server, web)
    await arriveSignedIn(server, web, {}, agent)
    const last = await finishSteps(agent, await agent.submit(page, { fields: bob }))
    expect(last.location?.searchParams.get('code'), last.body).to.be.a('string')
    expect(textOf(await agent.get(`${server.issuer}/account`))).to.include(bob.username)
  })

  for (const [what, fields, reason] of [
    ['an empty form', {}, /Enter your e-mail address/],
    ['a form without a password', { username: alice.email }, /Enter your e-mail address/],
    ['a form without a user name', { password: alice.password }, /Enter your e-mail address/],
  ] as const) {
    it(`shows the form again for ${what}, with 400 (K-10)`, async () => {
      const { agent, page } = await arrive(server, web)
      expectFormAgain(await agent.submit(page, { fields }), 400, 'login-form', reason)
    })
  }

  it('shows the form again for malformed bytes, NUL and a lone surrogate, never a 500 (K-10)', async () => {
    const { agent, page } = await arrive(server, web)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const action = page.root.querySelector('form')?.getAttribute('action') ?? ''
    for (const username of ['\u0000', 'a\u0000b@example.com', '\uD800', '%', '\u202Eabc']) {
      const answer = await agent.post(new URL(action, page.url), {
        csrf,
        username,
        password: 'x\u0000',
      })
      expect(answer.status, JSON.stringify(username)).to.be.within(400, 403)
      expect(answer.root.querySelector('form')?.id).to.equal('login-form')
    }
  })

  it('keeps the typed user name after a wrong password, and allows another attempt', async () => {
    const { agent, page } = await arrive(server, web)
    const wrong = await agent.submit(page, {
      fields: { username: alice.email, password: 'not her password' },
    })
    expectFormAgain(wrong, 403, 'login-form', /do not match/)
    expect(wrong.root.querySelector('#username')?.getAttribute('value')).to.equal(alice.email)
    const right = await agent.submit(wrong, { fields: credentials })
    expect(right.status, 'P-013').to.equal(303)
    expect(server.logged()).to.include('sign-in refused').and.not.include('not her password')
  })

  it('refuses the right password of a disabled account like a wrong one (ASVS 7.4.2)', async () => {
    const { agent, page } = await arrive(server, web)
    const answer = await agent.submit(page, {
      fields: { username: 'gone@example.com', password: alice.password },
    })
    expectFormAgain(answer, 403, 'login-form', /do not match/)
  })

  it('accepts the address in any case, and the password in exactly one form (C9, ASVS 6.2.8)', async () => {
    for (const [username, password, status] of [
      [` ${alice.email.toUpperCase()} `, alice.password, 303],
      [alice.email, ` ${alice.password}`, 403],
      [alice.email, `${alice.password}\u0000`, 403],
      [alice.email, alice.password.toUpperCase(), 403],
    ] as const) {
      const { agent, page } = await arrive(server, web)
      const answer = await agent.submit(page, { fields: { username, password } })
      expect(answer.status, JSON.stringify([username, password])).to.equal(status)
    }
  })

  it('reports a cancellation to the client (RFC 6749 §4.1.2.1, P-011, P-012)', async () => {
    const { agent, page } = await arrive(server, web)
    const cancelled = await agent.submit(page, { form: '#cancel-form' })
    expect(cancelled.status, 'P-013').to.equal(303)
    expectReturned(await agent.follow(cancelled), 'access_denied')
  })

  it('redirects with 303 after every form on the way, never 307 or 308 (P-013)', async () => {
    const { agent, page } = await arrive(server, web)
    const login = await agent.submit(page, { fields: credentials })
    expect(login.status).to.equal(303)
    const consent = await agent.follow(login)
    const allowed = await agent.submit(consent)
    expect(allowed.status).to.equal(303)
    const returned = await agent.get(allowed.location ?? '')
    expect(returned.status).to.equal(303)
    expect(returned.location?.searchParams.get('code')).to.be.a('string')
    const marks = (await agent.cookies(server.issuer)).filter(({ key }) => /signing-in/.test(key))
    expect(marks, 'no cookie of a finished sign-in').to.deep.equal([])
  })

  it('logs no warning about threads when there are some beside those for hashes', () => {
    expect(server.logged()).not.to.include('UV_THREADPOOL_SIZE')
  })

  it('signs in once: the next request needs no form', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const { page } = await arrive(server, web, {}, agent)
    expect(page.location?.searchParams.get('code')).to.be.a('string')
  })

  it('asks again for prompt=login, and can switch to another account', async () => {
    const bob = { username: 'bob@example.com', password: 'the walrus and the carpenter' }
    await server.core.accounts.create('default', { email: bob.username, password: bob.password })
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const again = await arrive(server, web, { prompt: 'login' }, agent)
    expect(again.page.root.querySelector('form')?.id).to.equal('login-form')
    const change = await agent.follow(await agent.submit(again.page, { fields: bob }))
    const handover = change.root.querySelector('form')?.getAttribute('action')
    expect(handover, 'ends the other session first').to.match(/\/logout\/confirm$/)
    const resumed = await agent.follow(await agent.submit(change))
    expect(textOf(resumed)).to.include(bob.username)
  })
})

describe('people: signing in while passwords queue', () => {
  let server: TestServer
  before(async () => {
    // A hash takes longer than it takes four forms to arrive.
    const slow = { ARGON2_MEMORY_KIB: '65536', ARGON2_ITERATIONS: '4' }
    server = await boot(anyStorage, {
      ...{ HASH_CONCURRENCY: '1', HASH_QUEUE: '0', UV_THREADPOOL_SIZE: '1', ...slow },
    })
    await furnish(server)
  })
  after(() => server?.stop())

  it('logs at start that hashes can take all threads of the runtime', () => {
    expect(server.logged()).to.include('UV_THREADPOOL_SIZE is not larger than HASH_CONCURRENCY')
  })

  it('shows the form again with 503 and Retry-After when the queue is full (R-13)', async () => {
    const visits = await Promise.all(Array.from({ length: 4 }, () => arrive(server, web)))
    const answers = await Promise.all(
      visits.map(({ agent, page }) => agent.submit(page, { fields: credentials })),
    )
    const busy = answers.filter(({ status }) => status === 503)
    expect(answers.map(({ status }) => status)).to.include(303)
    expect(busy).not.to.have.length(0)
    for (const page of busy) {
      expectFormAgain(page, 503, 'login-form', /Too many people/)
      expect(Number(page.headers.get('retry-after'))).to.be.greaterThan(0)
    }
    const [refused] = answers.flatMap((page, i) => (page.status === 503 ? [{ page, i }] : []))
    const retried = await visits[refused?.i ?? 0]?.agent.submit(refused?.page as Page, {
      fields: credentials,
    })
    expect(retried?.status, 'the form works when sent again').to.equal(303)
  })
})
