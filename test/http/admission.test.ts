import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { figure, scrape } from '../support/prometheus.ts'
import { encode, post, refresh, type Tokens, tokensFor, tokensIn } from '../support/protocol.ts'
import { type FeedStream, feedToken, openStream } from '../support/revocations.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const most = 4

const suite = servicesFound() ? describe : describe.skip
suite('a process at its limit of concurrent requests (R-12)', () => {
  let server: TestServer
  let metricsPort: string
  before(async () => {
    metricsPort = String(await freePort())
    server = await boot('services', { MAX_REQUESTS: String(most), METRICS_PORT: metricsPort })
    await furnish(server)
  })
  after(() => server?.stop())

  const ask = () => post(server, '/token', machine, { grant_type: 'client_credentials' })

  /** One after the other, so that none is refused. */
  async function families(count: number) {
    const all: Tokens[] = []
    for (let i = 0; i < count; i++) {
      all.push(await tokensFor(server, web, { scope: 'openid offline_access' }))
    }
    return all
  }

  /** An earlier request may not have ended yet. */
  const refreshWhenAdmitted = (tokens: Tokens) =>
    eventually('the refresh is admitted', async () => {
      const page = await refresh(server, web, tokens)
      return page.status !== 503 && page
    })

  /** Sends the head of a request whose body never arrives. */
  function slowSender(head = 'POST /token') {
    const { port, hostname, host } = new URL(server.issuer)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `${head} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n`,
    )
    return socket
  }

  /** Runs `work` while every family is locked, so that refreshes last as long. */
  async function whileLocked(work: () => Promise<void>): Promise<void> {
    await server.core.database.transaction(async () => {
      await server.core.database.query('select 1 from families where tenant_id = $1 for update', [
        defaultTenant,
      ])
      await work()
    })
  }

  it('refuses a further request, stays alive meanwhile, and serves again', async () => {
    const tokens = await families(most)
    const waiting: ReturnType<typeof refreshWhenAdmitted>[] = []
    await whileLocked(async () => {
      for (const each of tokens) waiting.push(refreshWhenAdmitted(each))
      const refused = await eventually('one more request is refused', async () => {
        const page = await ask()
        return page.status === 503 && page
      })
      expect(refused.headers.get('retry-after')).to.match(/^\d+$/)
      expect(refused.json()).to.include({ error: 'temporarily_unavailable' })
      expect(refused.json())
        .to.have.property('error_id')
        .that.matches(/^[0-9a-f-]{36}$/)
      expect(refused.headers.get('content-length'), 'not chunked').to.match(/^\d+$/)
      expect(refused.headers.get('x-content-type-options')).to.equal('nosniff')
      for (const path of ['/healthz', '/readyz', '/jwks', '/.well-known/openid-configuration']) {
        expect((await fetch(server.issuer + path)).status, path).to.equal(200)
      }
    })
    for (const page of await Promise.all(waiting)) tokensIn(page)
    tokensIn(await ask())
    expect(server.core.counters.read().request_shed).to.be.above(0)
  })

  it('counts a request whose client has disconnected, so that the limit holds', async () => {
    const tokens = await families(most)
    await whileLocked(async () => {
      const abort = new AbortController()
      const left = tokens.map(({ refresh_token: token }) =>
        fetch(`${server.issuer}/token`, {
          method: 'POST',
          signal: abort.signal,
          headers: { Authorization: `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}` },
          body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token ?? '' }),
        }).catch((error: Error) => error.name),
      )
      await eventually('each request waits for the lock of its family', async () => {
        const [row] = await server.core.database.query<{ count: string }>(
          'select count(*) from pg_locks where not granted',
        )
        return Number(row?.count) >= most
      })
      abort.abort()
      expect(await Promise.all(left)).to.deep.equal(left.map(() => 'AbortError'))
      await eventually('no request is in flight', async () => {
        const text = await scrape(metricsPort)
        return figure(text, 'keyturn_http_requests_in_flight') === 0
      })
      expect((await ask()).status).to.equal(503)
    })
    await eventually('requests are served again', async () => (await ask()).status === 200)
  })

  it('does not count a request that has not arrived completely', async () => {
    const slow = Array.from({ length: most * 2 }, slowSender)
    const before = server.core.counters.read().request_shed
    for (let i = 0; i < 5; i++) tokensIn(await ask())
    expect(server.core.counters.read().request_shed).to.equal(before)
    for (const socket of slow) socket.destroy()
  })

  it('checks the limit again for requests whose bodies end at the same time', async () => {
    const { hostname, host, port: at } = new URL(server.issuer)
    const senders = await Promise.all(
      (await families(most * 2)).map(async ({ refresh_token: token }) => {
        const body = new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: token ?? '',
        })
        const pair = `${web.client_id}:${web.client_secret}`
        const head = [
          'POST /token HTTP/1.1',
          `Host: ${host}`,
          `Authorization: Basic ${Buffer.from(pair).toString('base64')}`,
          'Content-Type: application/x-www-form-urlencoded',
          `Content-Length: ${body.toString().length}`,
        ]
        const socket = connect(Number(at), hostname)
        let answer = ''
        socket.setEncoding('latin1').on('data', (text: string) => {
          answer += text
        })
        await once(socket, 'connect')
        return {
          socket,
          body: body.toString(),
          head: head.join('\r\n'),
          status: () => answer.slice(9, 12),
        }
      }),
    )
    const of = (status: string) => senders.filter((each) => each.status() === status)
    await whileLocked(async () => {
      for (const { socket, head, body } of senders) {
        socket.write(`${head}\r\n\r\n${body.slice(0, 20)}`)
      }
      // Requests that are still being sent do not count, so this one is served.
      tokensIn(await ask())
      for (const { socket, body } of senders) socket.write(body.slice(20))
      await eventually(
        'the requests over the limit are refused',
        async () => of('503').length === most,
      )
    })
    await eventually('the other requests are served', async () => of('200').length === most)
    for (const { socket } of senders) socket.destroy()
  })

  it('refuses requests that begin something before those that continue something', async () => {
    const tokens = await families(most - 2)
    const begin = async (tenant = '') => (await fetch(`${server.issuer}${tenant}/authorize`)).status
    const waiting: Promise<unknown>[] = []
    await whileLocked(async () => {
      await server.core.database.query('lock table tenants')
      for (const each of tokens) waiting.push(refreshWhenAdmitted(each).then(tokensIn))
      waiting.push(
        eventually(
          'the unknown tenant answers 404',
          async () => (await begin('/t/absent')) === 404,
        ),
      )
      await eventually('another request is refused', async () => (await begin()) === 503)
      expect((await fetch(`${server.issuer}/favicon.ico`)).status).to.equal(200)
    })
    await Promise.all(waiting)
    await eventually(
      'authorization requests are admitted again',
      async () => (await begin()) === 400,
    )
  })

  it('does not count answers queued behind a stream, so that one connection cannot use all (R-14)', async () => {
    const token = await feedToken(server, ordersApi)
    const { hostname, host, port } = new URL(server.issuer)
    const socket = connect(Number(port), hostname)
    const get = (path: string, head = '') =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${head}\r\n`)
    get(`/revocations/stream?${encode({ audience: api })}`, `Authorization: Bearer ${token}\r\n`)
    const [opened] = (await once(socket, 'data')) as [Buffer]
    expect(opened.toString()).to.match(/^HTTP\/1.1 200/)
    for (let i = 0; i < most; i++) get('/assets/keyturn.css')
    try {
      await eventually('the requests are in flight', async () => {
        const text = await scrape(metricsPort)
        return figure(text, 'keyturn_http_requests_in_flight') > most
      })
      tokensIn(await ask())
    } finally {
      socket.destroy()
    }
  })

  it('does not start a request whose client has disconnected', async () => {
    const { tenants } = server.core
    const { find } = tenants
    const { hostname, host, port } = new URL(server.issuer)
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    const callers = await Promise.all(
      ['gone-1', 'gone-2', 'gone-3'].map(async (id) => {
        const socket = connect(Number(port), hostname)
        socket.write(get('/healthz'))
        await once(socket, 'data')
        return { id, socket }
      }),
    )
    const begun: string[] = []
    tenants.find = (id) => {
      begun.push(id)
      callers.at(-1)?.socket.destroy()
      // Longer than a slice, so that the sockets are read before the next request starts.
      for (const until = performance.now() + 5; performance.now() < until; );
      return find(id)
    }
    try {
      for (const { id, socket } of callers) socket.write(get(`/t/${id}/jwks`))
      await Promise.all(callers.slice(0, 2).map(({ socket }) => once(socket, 'data')))
    } finally {
      tenants.find = find
      for (const { socket } of callers) socket.destroy()
    }
    expect(begun.filter((id) => id.startsWith('gone-'))).to.deep.equal(['gone-1', 'gone-2'])
  })

  it('counts refused requests by their route without the tenant', async () => {
    const labels = { method: 'GET', route: '/jwks', status: '503' }
    const count = async () =>
      figure(await scrape(metricsPort), 'keyturn_http_requests_total', labels)
    const before = await count()
    const tokens = await families(most)
    const waiting: ReturnType<typeof refreshWhenAdmitted>[] = []
    await whileLocked(async () => {
      for (const each of tokens) waiting.push(refreshWhenAdmitted(each))
      await eventually(
        'the request is refused',
        async () => (await fetch(`${server.issuer}/t/nobody/jwks`)).status === 503,
      )
    })
    await Promise.all(waiting)
    expect((await count()) - before).to.equal(1)
  })

  it('refuses each request on a connection alike, counts it, and serves it when there is room', async () => {
    const labels = { method: 'POST', route: '/token', status: '503' }
    const count = async () =>
      figure(await scrape(metricsPort), 'keyturn_http_requests_total', labels)
    const before = await count()
    const tokens = await families(most)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const again = async () => {
      const sent = request(`${server.issuer}/token`, {
        ...{ agent, method: 'POST', auth: `${machine.client_id}:${machine.client_secret}` },
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      }).end('grant_type=client_credentials')
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      const body = JSON.parse((await answer.toArray()).join('')) as Record<string, unknown>
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body,
        port: sent.socket?.localPort,
      }
    }
    const waiting: ReturnType<typeof refreshWhenAdmitted>[] = []
    const refused: Awaited<ReturnType<typeof again>>[] = []
    await whileLocked(async () => {
      for (const each of tokens) waiting.push(refreshWhenAdmitted(each))
      await eventually('all places are taken', async () => (await again()).status === 503)
      for (let i = 0; i < 4; i++) refused.push(await again())
    })
    await Promise.all(waiting)
    const served = await eventually('the request is served', async () => {
      const answer = await again()
      return answer.status === 200 && answer
    })
    agent.destroy()
    expect(new Set(refused.map(({ port }) => port))).to.deep.equal(new Set([served.port]))
    expect(new Set(refused.map(({ body }) => body['error_id'])).size).to.equal(4)
    const [first, , , last] = refused.map(({ status, headers, body }) => {
      const alike = { ...headers, date: typeof headers.date }
      return { status, headers: alike, body: { ...body, error_id: typeof body['error_id'] } }
    })
    expect(last).to.deep.equal(first)
    expect((await count()) - before).to.be.at.least(5)
  })

  it('counts a GET with a body, and requests for unknown tenants', async () => {
    const heads = [
      'GET /authorize?client_id=nobody',
      'GET /t/nobody-1/jwks',
      'GET /t/nobody-4/jwks',
      'POST /t/nobody-2/token',
    ]
    const icon = async () => (await fetch(`${server.issuer}/favicon.ico`)).status
    expect(await icon()).to.equal(200)
    await server.core.database.transaction(async () => {
      await server.core.database.query('lock table tenants, clients')
      const sockets = heads.map((head) => slowSender(head))
      await eventually('one more request is refused', async () => (await icon()) === 503)
      expect((await fetch(`${server.issuer}/t/nobody-3/jwks`)).status).to.equal(503)
      expect((await fetch(`${server.issuer}/jwks`)).status).to.equal(200)
      for (const socket of sockets) socket.destroy()
    })
    await eventually('requests are served again', async () => (await icon()) === 200)
  })

  it('probes its stores once for concurrent readiness checks of all tenants, and again a moment later', async () => {
    const { database, tenants } = server.core
    await tenants.create({ id: 'other', name: 'Other' })
    const ready = (path = '/readyz') => fetch(server.issuer + path).then(({ status }) => status)
    const { queryPrimary } = database
    let probes = 0
    database.queryPrimary = (sql: string, values?: unknown[]) => {
      if (sql === 'select 1') probes++
      return queryPrimary.call(database, sql, values) as never
    }
    try {
      await eventually(
        'the other issuer is ready',
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
      database.queryPrimary = queryPrimary
      backToPresent()
    }
  })

  it('does not count revocation streams, which have their own limit', async () => {
    const token = await feedToken(server, ordersApi)
    const streams: FeedStream[] = []
    // One after the other: each counts until its token is checked.
    for (let i = 0; i <= most; i++) streams.push(await openStream(server, token))
    expect(streams.map(({ status }) => status)).to.deep.equal(Array(most + 1).fill(200))
    for (let i = 0; i < most; i++) tokensIn(await ask())
    for (const stream of streams) stream.close()
  })
})
