import { connect, type Socket } from 'node:net'
import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { createLog } from '../../src/log.ts'
import { tellTallies } from '../../src/tallies.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { figure, scrape } from '../support/prometheus.ts'

describe('bytes that are not a request (ASVS 16.3.4)', () => {
  let server: TestServer
  let metricsPort: string
  let isStopped = false
  const sockets: Socket[] = []
  before(async () => {
    metricsPort = String(await freePort())
    server = await boot(anyStorage, { MAX_CONNECTIONS: '2', METRICS_PORT: metricsPort })
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    if (!isStopped) await server?.stop()
  })

  const metric = async (name: string, labels?: Record<string, string>) =>
    figure(await scrape(metricsPort), name, labels)
  function open(): Socket {
    const socket = connect(server.core.config.port, '127.0.0.1').on('error', () => undefined)
    sockets.push(socket)
    return socket
  }
  /** Also resolves on a reset, when once() would reject. */
  const closed = (socket: Socket) =>
    new Promise<void>((resolve) => {
      if (socket.closed) resolve()
      else socket.resume().once('close', () => resolve())
    })
  const allGone = () =>
    eventually(
      'all connections are closed',
      async () => (await metric('keyturn_connections_open')) === 0,
    )

  it('are counted by status and logged as numbers, like connections beyond MAX_CONNECTIONS', async () => {
    const head = 'GET / HTTP/1.1\r\n'
    for (const [status, bytes] of [
      ['431', `${head}X: ${'y'.repeat(17_000)}\r\n\r\n`],
      ['400', 'GARBAGE\r\n\r\n'],
      ['400', `${head}Host: a\r\nHost: b\r\n\r\n`],
      ['400', `${head}\r\n`],
      ['400', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['417', `${head}Host: a\r\nExpect: applause\r\n\r\n`],
    ] as const) {
      await allGone()
      const socket = open()
      let answer = ''
      socket.on('data', (piece) => void (answer += String(piece)))
      socket.write(bytes)
      await closed(socket)
      expect(answer).to.match(new RegExp(`^HTTP/1.1 ${status} `))
      expect(answer, bytes)
        .to.match(/^Content-Security-Policy: /m)
        .and.match(/^Connection: close/m)
    }
    for (const [status, times] of [
      ['431', 1],
      ['400', 4],
      ['417', 1],
    ] as const) {
      const labels = { method: 'other', route: 'unmatched', status }
      expect(await metric('keyturn_http_requests_total', labels), status).to.equal(times)
    }
    await allGone()
    open()
    open()
    await eventually(
      'two connections are open',
      async () => (await metric('keyturn_connections_open')) === 2,
    )
    await Promise.all([closed(open()), closed(open()), closed(open())])
    expect(await metric('keyturn_connections_refused_total')).to.equal(3)
    for (const socket of sockets) socket.destroy()
    isStopped = true
    await server.stop()
    const lines = server
      .logged()
      .split('\n')
      .filter((line) => /malformed requests|MAX_CONNECTIONS/.test(line))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    // The tally may be logged in between, after which there is another line.
    const loggedCount = (level: string, kind: string) =>
      lines.reduce((sum, line) => sum + (line['level'] === level ? Number(line[kind] ?? 0) : 0), 0)
    expect(loggedCount('warn', 'closed')).to.equal(3)
    expect(loggedCount('info', '400')).to.equal(4)
    expect(loggedCount('info', '431')).to.equal(1)
    expect(loggedCount('info', '417')).to.equal(1)
  })
})

describe('a tally in the log (ASVS 16.2)', () => {
  it('is written once in ten seconds with its growth, and at the end', () => {
    const clock = install({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const lines: Record<string, unknown>[] = []
      const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>)
      const log = createLog({ level: 'info', destination: { write } })
      const count = { one: 7, other: 0 }
      const read = () => ({ ...count })
      const end = tellTallies([{ level: 'warn', message: 'refused', read }], log)
      clock.tick(60_000)
      expect(lines).to.deep.equal([])
      count.one += 20_000
      clock.tick(60_000)
      expect(lines).to.have.length(1)
      expect(lines[0]).to.include({ level: 'warn', msg: 'refused', one: 20_000 })
      expect(lines[0]).not.to.have.property('other')
      count.other++
      end()
      expect(lines).to.have.length(2)
      expect(lines[1]).to.include({ other: 1 }).and.not.have.property('one')
    } finally {
      clock.uninstall()
    }
  })
})
