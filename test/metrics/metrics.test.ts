import { readFileSync } from 'node:fs'
import { Agent, get, STATUS_CODES } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { parse } from 'yaml'
import { loadConfig } from '../../config/load.ts'
import { createLog } from '../../src/log.ts'
import { catalogue, type MetricName, shapeOf } from '../../src/metrics/catalogue.ts'
import { serveMetrics } from '../../src/metrics/endpoint.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { errorOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, machine, spa, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import {
  figure,
  promtool,
  promtoolFound,
  type Sample,
  samplesOf,
  scrape,
} from '../support/prometheus.ts'
import { expectRefusal, post, refresh, tokensFor, tokensIn } from '../support/protocol.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** The name of a metric without the suffixes of its series. */
const base = (name: string) =>
  catalogue[name as MetricName] ? name : name.replace(/_(bucket|sum|count)$/, '')

describe('/metrics', () => {
  let server: TestServer
  let port: string
  const now = () => scrape(port)
  before(async () => {
    port = String(await freePort())
    server = await boot(anyStorage, { METRICS_PORT: port })
    await furnish(server)
  })
  after(() => server?.stop())

  /** By how much a value grows during some work. */
  async function growth(
    name: string,
    labels: Record<string, string>,
    work: () => Promise<unknown>,
  ) {
    const from = figure(await now(), name, labels)
    await work()
    return figure(await now(), name, labels) - from
  }

  it('is served only on its own port, which serves nothing else', async () => {
    expect((await fetch(`${server.issuer}/metrics`)).status).to.equal(404)
    const own = `http://127.0.0.1:${port}`
    expect((await fetch(`${own}/`)).status).to.equal(404)
    expect((await fetch(`${own}/jwks`)).status).to.equal(404)
    expect((await fetch(`${own}/metrics`, { method: 'POST' })).status).to.equal(405)
    const answer = await fetch(`${own}/metrics`)
    expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/)
  })

  it('reports an invalid port or address with the name of the setting', async () => {
    const fault = async (host: string) => {
      const place = { port: Number(port), host, log: createLog({ level: 'silent' }) }
      return (await errorOf(serveMetrics(place, async () => ''))).message
    }
    expect(await fault('127.0.0.1')).to.equal(
      `METRICS_PORT: port ${port} of 127.0.0.1 is in use by another program; stop it, or choose another port`,
    )
    expect(await fault('192.0.2.1')).to.equal(
      'METRICS_HOST: 192.0.2.1 is not an address of this machine',
    )
  })

  it('stays available while a client repeatedly occupies all connections without sending requests', async () => {
    const sockets = new Set<Socket>()
    let closed = 0
    let isOver = false
    function hold(i: number): void {
      if (isOver) return
      const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined)
      if (i % 2) socket.write('GET /metrics HTTP/1.1\r\n')
      sockets.add(socket)
      socket.resume().once('close', () => {
        closed++
        sockets.delete(socket)
        setImmediate(hold, i)
      })
    }
    const status = () =>
      new Promise((resolve, reject) => {
        const answered = get({ port, path: '/metrics', agent: false }, (answer) =>
          resolve(answer.resume().statusCode),
        )
        answered.once('error', reject)
      })
    try {
      for (let i = 0; i < 64; i++) hold(i)
      hold(64)
      await eventually('a connection is closed', () => closed > 0)
      for (let i = 0; i < 5; i++) expect(await status()).to.equal(200)
    } finally {
      isOver = true
      for (const socket of sockets) socket.destroy()
    }
  })

  it('answers all requests of a connection, even if others need its place after the first response', async () => {
    const free = await freePort()
    const release = Promise.withResolvers<string>()
    let asked = 0
    const place = { port: free, host: '127.0.0.1', log: createLog({ level: 'silent' }) }
    const endpoint = await serveMetrics(place, async () =>
      ++asked === 1 ? 'first' : release.promise,
    )
    const sockets: Socket[] = []
    let said = ''
    let closed = 0
    const open = () => {
      const socket = connect(free, '127.0.0.1').on('error', () => undefined)
      sockets.push(socket)
      return socket.once('close', () => closed++)
    }
    try {
      const ahead = open().on('data', (data) => void (said += data))
      ahead.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2))
      await eventually('the first response arrives', () => asked === 2 && said.includes('first'))
      for (let i = 0; i < 64; i++) open().resume()
      await eventually('a connection is closed', () => closed > 0)
      release.resolve('second')
      await eventually('the second response arrives', () => said.includes('second'))
    } finally {
      for (const socket of sockets) socket.destroy()
      await endpoint.stop()
    }
  })

  it('is off without METRICS_PORT; otherwise on loopback and a separate port', () => {
    expect(loadConfig({}).metricsPort).to.equal(undefined)
    expect(loadConfig({ METRICS_PORT: '9000' }).metricsHost).to.equal('127.0.0.1')
    expect(() => loadConfig({ PORT: '3000', METRICS_PORT: '3000' })).to.throw(
      'METRICS_PORT: expected a port other than PORT, got 3000',
    )
  })

  it('starts at 0 for series that alerts and the dashboard use', async () => {
    const found = samplesOf(await now())
    const discovery = await fetch(`${server.issuer}/.well-known/openid-configuration`)
    const { grant_types_supported } = (await discovery.json()) as {
      grant_types_supported: string[]
    }
    expect(grant_types_supported).to.have.length.above(4)
    for (const [name, labels] of [
      ...grant_types_supported.map(
        (grant_type) => ['keyturn_tokens_issued_total', { grant_type }] as const,
      ),
      ['keyturn_sign_ins_total', { outcome: 'signed_in' }],
      ['keyturn_rounds_total', { round: 'sweep', outcome: 'failed' }],
      ['keyturn_rounds_total', { round: 'sweep', outcome: 'done' }],
      ['keyturn_events_total', { event: 'guess_checked' }],
      ['keyturn_log_lines_total', { level: 'fatal' }],
      ['keyturn_db_statement_failures_total', { operation: 'select' }],
      ['keyturn_redis_command_failures_total', { command: 'get' }],
      ['keyturn_outbox_attempts_total', { kind: 'webhook', outcome: 'given_up' }],
      ['keyturn_outgoing_request_duration_seconds_count', { outcome: 'failed' }],
    ] as const) {
      expect(found, name).to.deep.include({ name, labels, value: 0 })
    }
  })

  it('counts tokens by grant type, refreshes by verdict, and refusals by check and code', async () => {
    let first = {} as Awaited<ReturnType<typeof tokensFor>>
    const issued = (type: string, work: () => Promise<unknown>) =>
      growth('keyturn_tokens_issued_total', { grant_type: type }, work)
    const verdict = (name: string, work: () => Promise<unknown>) =>
      growth('keyturn_refreshes_total', { verdict: name }, work)
    const offline = { scope: 'openid offline_access' }
    const signIns = await growth('keyturn_sign_ins_total', { outcome: 'signed_in' }, async () => {
      const codes = await issued('authorization_code', async () => {
        first = await tokensFor(server, web, offline)
      })
      expect(codes).to.equal(1)
    })
    expect(signIns).to.equal(1)
    expect(
      await verdict('rotated', async () => tokensIn(await refresh(server, web, first))),
    ).to.equal(1)
    expect(
      await issued('refresh_token', async () =>
        expect(
          await verdict('replayed', async () => tokensIn(await refresh(server, web, first))),
        ).to.equal(1),
      ),
    ).to.equal(1)
    const refused = { error: 'invalid_grant' }
    expect(
      await growth('keyturn_refusals_total', refused, async () =>
        expectRefusal(
          await refresh(server, spa, { ...first, refresh_token: 'nonsense' }),
          400,
          'invalid_grant',
        ),
      ),
    ).to.equal(1)
    const credentials = Buffer.from(`${machine.client_id}:${machine.client_secret}`)
    const machines = await issued('client_credentials', () =>
      fetch(`${server.issuer}/token`, {
        method: 'POST',
        headers: { Authorization: `Basic ${credentials.toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }),
    )
    expect(machines).to.equal(1)
  })

  it('counts and times requests by the template of their path', async () => {
    const labels = { method: 'GET', route: '/interaction/:uid', status: '400' }
    const unknown = `${server.issuer}/interaction/a-made-up-interaction`
    expect(
      await growth('keyturn_http_requests_total', labels, async () =>
        (await fetch(unknown)).text(),
      ),
    ).to.equal(1)
    const text = await now()
    const route = '/interaction/:uid'
    expect(figure(text, 'keyturn_http_request_duration_seconds_count', { route })).to.be.above(0)
    expect(figure(text, 'keyturn_http_request_duration_seconds_sum', { route })).to.be.within(0, 60)
    expect(text).not.to.include('a-made-up-interaction')
  })

  it('shows the current state of storage, keys and queues', async () => {
    const text = await now()
    expect(figure(text, 'keyturn_db_pool_limit')).to.equal(server.kind === 'services' ? 10 : 1)
    expect(figure(text, 'keyturn_db_pool_connections')).to.be.above(0)
    expect(figure(text, 'keyturn_hash_duration_seconds_count')).to.be.above(0)
    expect(figure(text, 'keyturn_signing_ready')).to.equal(1)
    for (const alg of ['ES256', 'RS256']) {
      const age = figure(text, 'keyturn_signing_key_age_seconds', { alg })
      const left = figure(text, 'keyturn_signing_key_next_rotation_seconds', { alg })
      expect(age + left).to.be.closeTo(7_776_000, 2)
    }
    expect(figure(text, 'keyturn_denylist_age_seconds')).to.be.within(0, 30)
    if (server.kind === 'services') expect(figure(text, 'keyturn_redis_up')).to.equal(1)
  })

  it('has no additional series after 500 made-up paths, tenants, clients, methods and grants', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const { hostname, port: to } = new URL(server.issuer)
    const ask = (path: string, method = 'GET', headers = {}) =>
      new Promise<void>((resolve, reject) => {
        get({ hostname, port: to, path, method, headers, agent }, (answer) => {
          answer.resume().once('end', resolve)
        }).once('error', reject)
      })
    const kinds: ((n: number) => Promise<void>)[] = [
      (n) => ask(`/made/up/${n}`),
      (n) => ask(`/${n}`),
      (n) => ask(`/t/tenant-${n}/jwks`),
      (n) => ask(`/authorize?client_id=client-${n}&scope=s${n}&response_type=r${n}`),
      (n) => ask(`/interaction/uid-${n}/step-${n}`),
      (n) => ask(`/assets/${n}.css`),
      (n) => ask(`/jwks?${n}`),
      (n) => ask(`/admin/v1/tenants/${n}/clients/${n}`),
      (n) => ask(`/token-${n}`, n % 2 ? 'PROPFIND' : 'POST', { 'user-agent': `program ${n}` }),
      (n) => ask(`/userinfo`, 'GET', { authorization: `Bearer made-up-${n}` }),
    ]
    const round = (from: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) => kinds[(from + i) % kinds.length]?.(from + i)),
      )
    // All kinds once, so that their series exist.
    await round(0, 40)
    const before = samplesOf(await now())
    const keyOf = ({ name, labels }: Sample) => JSON.stringify([name, labels])
    await round(1000, 500)
    const after = samplesOf(await now())
    agent.destroy()
    // Background work, garbage collection and the runtime's connections continue meanwhile.
    const own = (text: string) => !/^\["(keyturn_round|nodejs_(gc|active))/.test(text)
    const had = new Set(before.map(keyOf))
    const more = after.map(keyOf).filter((key) => own(key) && !had.has(key))
    expect(more).to.deep.equal([])
    expect(after.length).to.be.below(2000)
    const made = after.filter(({ labels }) =>
      /\d{4}/.test(Object.values({ ...labels, le: '' }).join(' ')),
    )
    expect(made).to.deep.equal([])
  })

  it('agrees with docs/metrics.md, metric by metric', async () => {
    const rows = [
      ...read('docs/metrics.md').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm),
    ]
    const written = rows.map(([, name, type, labels, help]) => ({ name, type, labels, help }))
    const declared = (Object.keys(catalogue) as MetricName[]).map((name) => {
      const { type, labels = [], help } = shapeOf(name)
      return { name, type, labels: labels.map((label) => `\`${label}\``).join(', '), help }
    })
    expect(written).to.deep.equal(declared)
    const text = await now()
    const live = [...text.matchAll(/^# TYPE (keyturn_\w+) (\w+)$/gm)].map(([, n, t]) => `${n} ${t}`)
    expect(live).to.have.members(declared.map(({ name, type }) => `${name} ${type}`))
    const known = new Set(Object.keys(catalogue))
    for (const { name, labels } of samplesOf(text)) {
      if (!name.startsWith('keyturn_')) continue
      expect(known, name).to.include(base(name))
      const allowed = [...(shapeOf(base(name) as MetricName).labels ?? []), 'le']
      for (const label of Object.keys(labels)) expect(allowed, name).to.include(label)
    }
  })

  it('has every metric, label and value that the dashboard and the alerts use', async () => {
    for (const path of ['/healthz', '/readyz']) await (await fetch(server.issuer + path)).text()
    await post(server, '/token', machine, { grant_type: 'client_credentials' })
    const text = await now()
    const live = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name))
    const samples = samplesOf(text)
    // The time of the last round has a series only after the first round; the count has one from the start.
    const rounds = samples.flatMap(({ labels }) => labels['round'] ?? [])
    const rules = parse(read('deploy/prometheus/alerts.yaml')) as {
      groups: { rules: { alert: string; expr: string }[] }[]
    }
    const dashboard = JSON.parse(read('deploy/grafana/keyturn.json')) as {
      panels: { title: string; targets?: { expr: string }[] }[]
    }
    const expressions = [
      ...rules.groups.flatMap((group) => group.rules.map(({ alert, expr }) => [alert, expr])),
      ...dashboard.panels.flatMap(({ title, targets = [] }) =>
        targets.map(({ expr }) => [title, expr]),
      ),
    ]
    expect(expressions.length).to.be.above(40)
    for (const [where, expr = ''] of expressions) {
      const names = expr.match(/\b(keyturn|nodejs|process)_\w+/g) ?? []
      // `up` is a metric of Prometheus itself.
      if (!/\bup\b/.test(expr)) expect(names, `${where}: ${expr}`).not.to.deep.equal([])
      for (const name of names) {
        expect(live.has(name) || live.has(base(name)), `${where}: ${name}`).to.equal(true)
      }
      for (const [, name = '', wanted = ''] of expr.matchAll(/\b(keyturn_\w+)\{([^}]*)\}/g)) {
        for (const [, label = '', value = ''] of wanted.matchAll(/(\w+)[=!]~?"([^"]*)"/g)) {
          if (label === 'job') continue
          expect(shapeOf(base(name) as MetricName).labels, `${where}: ${name}`).to.include(label)
          const known = samples.flatMap((one) =>
            one.name === name ? (one.labels[label] ?? []) : [],
          )
          if (label === 'round') known.push(...rounds)
          if (label === 'status') known.push(...Object.keys(STATUS_CODES))
          for (const one of value.split('|')) {
            const found = known.some((each) => new RegExp(`^(?:${one})$`).test(each))
            expect(found, `${where}: ${name}{${label}} is never ${one}`).to.equal(true)
          }
        }
      }
    }
  })

  it('passes promtool, and so do the alerts', async function () {
    if (!promtoolFound()) this.skip()
    expect(promtool(['check', 'metrics'], await now())).to.equal('')
    const path = new URL('../../deploy/prometheus/alerts.yaml', import.meta.url).pathname
    expect(promtool(['check', 'rules', path])).to.include('SUCCESS')
    const tests = read('deploy/prometheus/alerts.test.yaml')
    for (const [, name = ''] of read('deploy/prometheus/alerts.yaml').matchAll(/alert: (\w+)/g)) {
      expect(tests, 'tested').to.match(new RegExp(`alertname: ${name}\\n +exp_alerts:\\n`))
    }
    const all = path.replace('alerts.yaml', 'alerts.test.yaml')
    expect(promtool(['test', 'rules', all])).to.include('SUCCESS')
  })
})
