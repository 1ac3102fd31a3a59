import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { limits } from '../../src/limits/limits.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { faultsOf, narrowFaults } from '../support/accessibility.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { alice } from '../support/fixtures.ts'
import { type Typist, typistAt } from '../support/keyboard.ts'

const fresh = 'painting all the roses red 7'

describe('people: pages that ask to wait, with their real status, in Chromium (K-09, WCAG 3.3.1)', () => {
  let server: TestServer
  const open = inChromium()

  before(async () => {
    // Hashing is slow and the queue has no room.
    const slow = {
      ARGON2_MEMORY_KIB: '131072',
      ARGON2_ITERATIONS: '6',
      HASH_CONCURRENCY: '1',
      HASH_QUEUE: '0',
    }
    server = await boot('embedded', { RATE_LIMITS: 'on', ...slow })
    await server.core.tenants.declareSignUp(tenant, { mode: 'open', domains: [] })
  })
  after(async () => {
    await server?.stop()
  })

  const openTypist = async (): Promise<Typist> => typistAt(await open(), async () => undefined)
  const network = '127.0.0.0/24'
  const statusAfter = async ({ tab }: Typist, step: Promise<void>) => {
    const answer = tab.waitForResponse((response) => response.request().method() === 'POST')
    await step
    return (await answer).status()
  }
  const said = ({ tab }: Typist) => tab.textContent('[role=alert]')
  const expectNoFaults = async ({ tab }: Typist) =>
    expect([...(await narrowFaults(tab)), ...(await faultsOf(tab))]).to.deep.equal([])

  it('429: too many requests for an account or a new password; the form keeps what was typed', async () => {
    for (const [path, field, button, limit] of [
      ['/sign-up', '#email', '#send-link', 'sign_up_network'],
      ['/password/forgot', '#username', '#send-link', 'reset_network'],
    ] as const) {
      const spent = { limit, subject: network, cost: limits[limit].most } as const
      await server.core.limiter.take(tenant, spent)
      const typist = await openTypist()
      await typist.open(server.issuer + path)
      await typist.type(field, 'somebody@example.com')
      expect(await statusAfter(typist, typist.press(button)), path).to.equal(429)
      expect(await said(typist)).to.match(/^Too many .*Wait a few minutes/)
      expect(await typist.tab.inputValue(field)).to.equal('somebody@example.com')
      await expectNoFaults(typist)
    }
  })

  it('503: the password queue is full; the same form signs in a moment later', async () => {
    const email = `${randomUUID()}@example.com`
    const { password } = alice
    await server.core.accounts.create(tenant, { email, password })
    const typist = await openTypist()
    await typist.open(`${server.issuer}/account`)
    await typist.type('#username', email)
    await typist.type('#password', password)
    let isOver = false
    const others = Array.from({ length: 3 }, async () => {
      while (!isOver) {
        await server.core.accounts
          .hashChosen({ tenant, email: 'other@example.com' }, fresh)
          .catch(() => undefined)
        await setImmediate()
      }
    })
    try {
      expect(await statusAfter(typist, typist.press('#sign-in'))).to.equal(503)
    } finally {
      isOver = true
      await Promise.all(others)
    }
    expect(await said(typist)).to.match(/^Too many people/)
    expect(await typist.tab.inputValue('#username')).to.equal(email)
    await expectNoFaults(typist)
    await typist.type('#password', password)
    await typist.press('#sign-in')
    expect(await typist.tab.textContent('h1')).to.equal('Your account')
  })
})
