import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import { createLog } from '../../src/log.ts'
import { tellTallies } from '../../src/tallies.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { authorizeUrl, introspect, post, type StoryClient, tokensFor } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('refusals', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()
  afterEach(backToPresent)

  const ask = (clientId: string) => agent.get(authorizeUrl(server, { client_id: clientId }))
  const why = async (page: Page) =>
    (await explain.execute(server.core, {
      id: page.headers.get('request-id') as string,
    })) as Explanation

  it('on pages are explained', async () => {
    const browser = createUserAgent()
    const form = await browser.follow(await browser.get(authorizeUrl(server, web)))
    const wrong = { username: alice.email, password: 'not the one of alice' }
    const refused = await browser.submit(form, { fields: wrong })
    const explanation = await why(refused)
    expect(explanation).to.deep.include({ check: 'credentials_invalid', account: alice.email })
    const nobody = { ...wrong, username: 'nobody@example.com' }
    const unknown = await why(await browser.submit(form, { fields: nobody }))
    expect(unknown.check).to.equal('credentials_invalid')
    expect(unknown).not.to.have.property('account')
    expect(unknown.reason).not.to.equal(explanation.reason)

    const forged = await browser.post(`${form.url.href}/login`, { csrf: 'forged', ...wrong })
    expect((await why(forged)).check).to.equal('csrf_failed')
    expect((await why(await browser.get(`${server.issuer}/nowhere`))).check).to.equal('not_found')
    const device = await browser.get(`${server.issuer}/device`)
    const code = await browser.submit(device, { fields: { user_code: 'BCDF-GHJK' } })
    expect((await why(code)).check).to.equal('user_code')
  })

  it('of tokens in introspection are explained', async () => {
    const issued = await tokensFor(
      server,
      web,
      { resource: api, scope: 'openid orders:read' },
      agent,
    )
    const asked = (as: StoryClient = ordersApi) =>
      post(server, '/introspect', as, { token: issued.access_token })
    expect(await introspect(server, ordersApi, issued.access_token)).to.include({ active: true })
    const refused = await why(await asked(machine))
    expect(refused).to.deep.include({ check: 'introspection_entitled', received: 'machine' })
    travel(601)
    expect((await why(await asked())).reason).to.match(/exp/)
    backToPresent()
    await post(server, '/revoke', web, { token: issued.access_token })
    expect((await why(await asked())).reason).to.match(/revoked/)
  })

  it('are kept for a week', async () => {
    const page = await ask('webb')
    await why(page)
    travel(7 * 86_400 + 1)
    await server.core.refusals.sweep()
    const gone = await why(page).catch((error: Error) => error)
    expect(gone)
      .to.be.an('error')
      .with.property('message')
      .that.match(/seven days/)
  })

  it('that are not stored do not compute their details', async () => {
    let asked = 0
    const values = () => {
      asked++
      return { received: 'this' }
    }
    const { refusals, counters } = server.core
    const before = counters.read().refusal_not_kept ?? 0
    const noteIn = (tenant: string) => {
      const error = 'use_dpop_nonce'
      const about = { id: randomUUID(), tenant, endpoint: 'token', clientId: 'nonces', error }
      refusals.note({ ...about, check: 'dpop_nonce' }, values)
    }
    for (let i = 0; i < 40; i++) noteIn('default')
    expect(asked).to.equal(20)
    expect(counters.read().refusal_not_kept).to.equal(before + 20)
    noteIn('another')
    expect(asked, 'a client of the same name in another tenant').to.equal(21)
  })

  it('are reported once per flood with the networks it comes from, and not below that rate', () => {
    const { refusals } = server.core
    const lines: Record<string, unknown>[] = []
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>)
    const log = createLog({ level: 'info', destination: { write } })
    function tellAfter(times: number, ipOf: (i: number) => string): void {
      const end = tellTallies([refusals.tally], log)
      for (let i = 0; i < times; i++) {
        const about = { id: randomUUID(), tenant: 'default', endpoint: 'token', ip: ipOf(i) }
        refusals.note({ ...about, check: 'client_secret', error: 'invalid_client' })
      }
      end()
    }
    tellAfter(69, () => '192.0.2.1')
    expect(lines).to.deep.equal([])
    tellAfter(50, () => '192.0.2.1')
    expect(lines.splice(0)).to.have.length(1)
    tellAfter(3000, (i) => (i % 2 ? '192.0.2.7' : `2001:db8:${i.toString(16)}:1::1`))
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ level: 'warn', 'check.client_secret': 3000, networks: 1000 })
    const networks = Object.entries(lines[0]?.['most_from'] as Record<string, number>)
    expect(networks[0]).to.deep.equal(['192.0.2.0/24', 1500])
    expect(networks).to.have.length(5)
  })

  it('are limited in a flood over all clients, and stored again afterwards', async () => {
    travel(7200)
    const { refusals } = server.core
    let kept = 0
    const comeOf = (clients: number) => {
      for (let i = 0; i < clients; i++) {
        const about = { id: randomUUID(), tenant: 'default', endpoint: 'token', clientId: `c${i}` }
        refusals.note({ ...about, check: 'code_known', error: 'invalid_grant' }, () => {
          kept++
          return {}
        })
      }
    }
    comeOf(1500)
    expect(kept).to.equal(1000)
    travel(10)
    await refusals.flush()
    comeOf(1500)
    expect(kept).to.equal(1050)
    travel(-86_400)
    comeOf(10)
    expect(kept, 'although the clock was set back').to.equal(1060)
  })

  it('are limited in a flood: some of each kind are stored', async () => {
    travel(10_800)
    for (let i = 0; i < 60; i++) await ask(`nobody-${i}`)
    await server.core.refusals.flush()
    const [row] = await server.core.database.query<{ kept: number }>(
      `select count(*)::int as kept from refusals where received like 'nobody-%'`,
    )
    expect(row?.kept).to.equal(20)
    expect(server.core.counters.read().refusal_not_kept).to.be.at.least(40)
  })
})
