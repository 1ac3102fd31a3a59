import { connect } from 'node:net'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { post, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { type FeedStream, feedToken, openStream } from '../support/revocations.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const most = 3

const suite = servicesFound() ? describe : describe.skip
suite('a process that works on as many requests as it may (R-12)', () => {
  let server: TestServer
  before(async () => {
    server = await boot('services', { MAX_REQUESTS: String(most) })
    await furnish(server)
  })
  after(() => server?.stop())

  const ask = () => post(server, '/token', machine, { grant_type: 'client_credentials' })

  /** The head of a request whose body does not come. */
  function slowSender(head = 'POST /token') {
    const { port, hostname, host } = new URL(server.issuer)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `${head} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n`,
    )
    return socket
  }

  it('refuses one more at once, is alive all the while, and serves again', async () => {
    const tokens = await Promise.all(
      Array.from({ length: most }, () =>
        tokensFor(server, web, { scope: 'openid offline_access' }),
      ),
    )
    const waiting: ReturnType<typeof refresh>[] = []
    // The end of an earlier request may be on its way still.
    const patiently = (each: (typeof tokens)[number]) =>
      eventually('it is taken', async () => {
        const page = await refresh(server, web, each)
        return page.status !== 503 && page
      })
    await server.core.database.transaction(async () => {
      await server.core.database.query('select 1 from families where tenant_id = $1 for update', [
        defaultTenant,
      ])
      for (const each of tokens) waiting.push(patiently(each))
      const refused = await eventually('one more is refused', async () => {
        const page = await ask()
        return page.status === 503 && page
      })
      expect(refused.headers.get('retry-after')).to.match(/^\d+$/)
      expect(refused.json()).to.include({ error: 'temporarily_unavailable' })
      for (const path of ['/healthz', '/readyz', '/jwks', '/.well-known/openid-configuration']) {
        expect((await fetch(server.issuer + path)).status, path).to.equal(200)
      }
    })
    for (const page of await Promise.all(waiting)) tokensIn(page)
    tokensIn(await ask())
    expect(server.core.counters.read().request_shed).to.be.above(0)
  })

  it('does not count who has not sent a whole request yet', async () => {
    const slow = Array.from({ length: most * 2 }, slowSender)
    const before = server.core.counters.read().request_shed
    for (let i = 0; i < 5; i++) tokensIn(await ask())
    expect(server.core.counters.read().request_shed).to.equal(before)
    for (const socket of slow) socket.destroy()
  })

  it('counts a GET that announces a body, and whoever names a tenant that it does not know', async () => {
    const heads = [
      'GET /authorize?client_id=nobody',
      'GET /t/nobody-1/jwks',
      'POST /t/nobody-2/token',
    ]
    const icon = async () => (await fetch(`${server.issuer}/favicon.ico`)).status
    expect(await icon()).to.equal(200)
    await server.core.database.transaction(async () => {
      await server.core.database.query('lock table tenants, clients')
      const sockets = heads.map((head) => slowSender(head))
      await eventually('one more is refused', async () => (await icon()) === 503)
      expect((await fetch(`${server.issuer}/t/nobody-3/jwks`)).status).to.equal(503)
      expect((await fetch(`${server.issuer}/jwks`)).status).to.equal(200)
      for (const socket of sockets) socket.destroy()
    })
    await eventually('it serves again', async () => (await icon()) === 200)
  })

  it('asks its stores once for all who want to know whether it is ready, of any tenant, and again a moment later', async () => {
    const { database, tenants } = server.core
    await tenants.create({ id: 'other', name: 'Other' })
    const ready = (path = '/readyz') => fetch(server.issuer + path).then(({ status }) => status)
    const { query } = database
    let probes = 0
    database.query = (sql: string, values?: unknown[]) => {
      if (sql === 'select 1') probes++
      return query.call(database, sql, values) as never
    }
    try {
      await eventually(
        'the other issuer is there',
        async () => (await ready('/t/other/readyz')) === 200,
      )
      travel(1)
      probes = 0
      const paths = Array.from({ length: 100 }, (_, i) => (i % 2 ? '/readyz' : '/t/other/readyz'))
      expect(await Promise.all(paths.map(ready))).to.deep.equal(Array(100).fill(200))
      expect(probes).to.equal(1)
      travel(2)
      expect(await ready()).to.equal(200)
      expect(probes).to.equal(2)
    } finally {
      database.query = query
      backToPresent()
    }
  })

  it('does not count streams of revocations, which have a bound of their own', async () => {
    const token = await feedToken(server, ordersApi)
    const streams: FeedStream[] = []
    // One after the other: until its token was checked, one is work as any other.
    for (let i = 0; i <= most; i++) streams.push(await openStream(server, token))
    expect(streams.map(({ status }) => status)).to.deep.equal(Array(most + 1).fill(200))
    for (let i = 0; i < most; i++) tokensIn(await ask())
    for (const stream of streams) stream.close()
  })
})
