import { expect } from 'chai'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { allowDevice, startDevice } from '../support/devices.ts'
import { furnish } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import type { Page } from '../support/http-exchange.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { expectFormAgain, textOf } from './story.ts'

const letters = 'BCDFGHJKLMNPQRSTVWXZ'
/** Codes that a device shows once in a billion times. */
const wrongCode = (i: number) =>
  Array.from({ length: 8 }, (_, at) => letters[Math.floor(i / 20 ** at) % 20]).join('')

/** test/contract/attempts.test.ts shows that each storage counts. */
onAnyStorage('people: guessing user codes (P-033, C9)', (kind) => {
  const server = booted(kind, { TRUST_PROXY: '127.0.0.0/8' }, furnish)
  beforeEach(() => server.core.database.execute('delete from attempts'))
  afterEach(backToPresent)

  /** Enters codes from one address, all at once. */
  async function tryFrom(address: string, codes: string[], agent = createUserAgent()) {
    const headers = { 'x-forwarded-for': address }
    const form = await agent.get(`${server.issuer}/device`, { headers })
    const pages = await Promise.all(
      codes.map((user_code) => agent.submit(form, { fields: { user_code } }, { headers })),
    )
    return pages
  }
  const wrong = (count: number) => Array.from({ length: count }, (_, i) => wrongCode(i))
  const statusesOf = (pages: Page[]) => {
    const of = (status: number) => pages.filter((page) => page.status === status).length
    return { right: of(303), wrong: of(400), refused: of(429) }
  }

  it('checks twenty of forty codes sent at once from one network, then refuses a right one there, but not elsewhere', async () => {
    const { user_code } = await startDevice(server)
    const all = await tryFrom('203.0.113.7', wrong(40))
    expect(statusesOf(all)).to.deep.equal({ right: 0, wrong: 20, refused: 20 })

    const [refused] = (await tryFrom('203.0.113.250', [user_code])) as [Page]
    expectFormAgain(refused, 429, 'device-form', /Too many wrong codes/)
    expect(refused.headers.get('retry-after')).to.equal('600')
    expect(refused.root.querySelector('#sign-in-first')?.getAttribute('href')).to.equal('/account')
    expect(refused.body, 'the code is not echoed').not.to.include(user_code)
    const [again] = (await tryFrom('203.0.113.250', [wrongCode(1)])) as [Page]
    expect(textOf(again)).to.equal(textOf(refused))

    expect(statusesOf(await tryFrom('203.0.114.7', [user_code])).right).to.equal(1)
  })

  it('counts an IPv6 /48 as one network, however its addresses are written', async () => {
    for (const [i, address] of [
      '2001:db8:1::1',
      '2001:db8:1:ffff:1:2:3:4',
      '2001:0db8:0001::2',
      '2001:DB8:1::3',
    ].entries()) {
      const pages = await tryFrom(address, wrong(5))
      expect(statusesOf(pages).wrong, `${i}`).to.equal(5)
    }
    expect(statusesOf(await tryFrom('2001:db8:1:2::9', wrong(1))).refused).to.equal(1)
    expect(statusesOf(await tryFrom('2001:db8:2::9', wrong(1))).wrong).to.equal(1)
  })

  it('allows unknown browsers of all networks two hundred attempts together', async () => {
    let looked = 0
    for (let network = 0; network < 13; network += 1) {
      looked += statusesOf(await tryFrom(`198.51.${network}.1`, wrong(20))).wrong
    }
    expect(looked).to.equal(200)
    const { user_code } = await startDevice(server)
    expect(statusesOf(await tryFrom('192.0.2.1', [user_code])).refused).to.equal(1)
    // A refusal by the common limit is not counted against the network.
    travel(601)
    const fresh = await startDevice(server)
    expect(statusesOf(await tryFrom('192.0.2.1', [fresh.user_code])).right).to.equal(1)
  })

  it('gives a signed-in account ten attempts of its own', async () => {
    const agent = await allowDevice(server, await startDevice(server))
    await tryFrom('203.0.113.7', wrong(30))
    const { user_code } = await startDevice(server)
    expect(statusesOf(await tryFrom('203.0.113.7', [user_code], agent)).right).to.equal(1)
    const all = await tryFrom('203.0.114.7', wrong(30), agent)
    expect(statusesOf(all)).to.deep.equal({ right: 0, wrong: 10, refused: 20 })
    const elsewhere = await allowElsewhere()
    expect(
      statusesOf(await tryFrom('192.0.2.9', wrong(1), elsewhere)).refused,
      'same account',
    ).to.equal(1)
  })

  /** Another browser of the same account. */
  async function allowElsewhere() {
    return allowDevice(server, await startDevice(server))
  }

  it('does not count right codes', async () => {
    const { user_code } = await startDevice(server)
    for (let round = 0; round < 3; round += 1) {
      const pages = await tryFrom(
        '203.0.113.7',
        Array.from({ length: 15 }, () => user_code),
      )
      expect(statusesOf(pages).right).to.equal(15)
    }
    expect(statusesOf(await tryFrom('203.0.113.7', wrong(30))).wrong).to.equal(20)
  })

  it('keeps its counts when Redis is flushed, and allows attempts again after ten minutes', async () => {
    expect(statusesOf(await tryFrom('203.0.113.7', wrong(25))).wrong).to.equal(20)
    await forgetShortLived(server.core, server.env)
    expect(statusesOf(await tryFrom('203.0.113.7', wrong(5))).refused).to.equal(5)
    travel(590)
    expect(statusesOf(await tryFrom('203.0.113.7', wrong(5))).refused).to.equal(5)
    travel(20)
    expect(statusesOf(await tryFrom('203.0.113.7', wrong(25))).wrong).to.equal(20)
    await server.core.attempts.sweep()
    travel(610)
    expect(await server.core.attempts.sweep()).to.equal(2)
  })

  it('does not count input that cannot be a code, and stores no address', async () => {
    const pages = await tryFrom(
      '203.0.113.7',
      Array.from({ length: 30 }, () => 'hello'),
    )
    expect(statusesOf(pages).wrong).to.equal(30)
    expect(await server.core.database.query('select 1 from attempts')).to.have.length(0)
    await tryFrom('203.0.113.7', wrong(1))
    const rows = await server.core.database.query<{ row: string }>(
      'select to_jsonb(a)::text as row from attempts a',
    )
    expect(rows).to.have.length(2)
    for (const { row } of rows) expect(row).not.to.include('203.0')
  })

  it('counts the attempts of each tenant separately', async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await tryFrom('203.0.113.7', wrong(25))
    const agent = createUserAgent()
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    const form = await agent.get(`${server.issuer}/t/acme/device`, { headers })
    const fields = { user_code: wrongCode(1) }
    expect((await agent.submit(form, { fields }, { headers })).status).to.equal(400)
  })
})
