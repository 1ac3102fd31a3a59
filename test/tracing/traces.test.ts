import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname as nameOfMachine } from 'node:os'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { traceRequest } from '../../src/http/traced.ts'
import { createLog } from '../../src/log.ts'
import { startTracing } from '../../src/tracing/open.ts'
import { currentTracer, type RequestSpan, useTracer } from '../../src/tracing/trace.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, machine, spa, web } from '../support/fixtures.ts'
import { introspect, redeem, refresh, tokensFor, tokensIn, userinfo } from '../support/protocol.ts'
import { secretsIn, secretsKnown } from '../support/witness.ts'

/** The `traceparent` of a trace that a proxy has started. */
const given = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`

describe('traces (OpenTelemetry)', () => {
  let server: TestServer
  let collector: Collector
  let spans: CollectedSpan[]

  /** Sends a request from another address of this machine; 127.0.0.2 is the trusted proxy here. */
  function askFrom(localAddress: string, traceparent: string): Promise<void> {
    const { hostname, port } = new URL(server.issuer)
    const options = {
      host: hostname === 'localhost' ? '127.0.0.1' : hostname,
      port,
      localAddress,
      path: '/jwks?secret=in-the-query',
      headers: { traceparent, tracestate: 'vendor=in-the-state' },
    }
    return new Promise((resolve, reject) => {
      request(options, (answer) => answer.resume().once('end', resolve))
        .once('error', reject)
        .end()
    })
  }

  before(async () => {
    collector = await startCollector()
    server = await boot(anyStorage, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=the%20key,x-tenant=all',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-tenant=traces',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.version=of-mine',
      TRUST_PROXY: '127.0.0.2',
      ALLOW_LOOPBACK_FETCH: 'on',
    })
    await furnish(server)
    // Typical requests, with everything that must not appear in traces.
    const tokens = await tokensFor(server, web, { scope: 'openid email offline_access' })
    await userinfo(server, tokens.access_token)
    await introspect(server, web, tokens.access_token)
    const next = tokensIn(await refresh(server, web, tokens))
    await refresh(server, web, { ...next, refresh_token: 'made-up-refresh-token' })
    await redeem(server, spa, 'made-up-code')
    const secret = Buffer.from(`${machine.client_id}:${machine.client_secret}`).toString('base64')
    await fetch(`${server.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${secret}`, 'user-agent': 'a-telling-program/1.0' },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    await fetch(`${server.issuer}/interaction/a-made-up-handle-of-somebody`)
    await fetch(`${server.issuer}/a-made-up-path`, { method: 'PROPFIND' })
    await fetch(`${server.issuer}/t/nobody/par`)
    await fetch(`${server.issuer}/authorize?login_hint=bob%40example.com&state=telling-state`)
    await askFrom('127.0.0.1', given('a'))
    await askFrom('127.0.0.2', given('b'))
    await fetch(`${server.issuer}/readyz`)
    await fetch(`${server.issuer}/healthz?x`)
    await server.core.fetch(`${collector.url}/hook/telling-path?telling=query`)
    await server.stop()
    spans = collector.spans()
  })
  after(() => collector?.stop())

  const named = (name: string | RegExp) =>
    spans.filter((span) => (typeof name === 'string' ? span.name === name : name.test(span.name)))
  const childrenOf = ({ spanId }: CollectedSpan) =>
    spans.filter(({ parentSpanId }) => parentSpanId === spanId)
  const expectBelow = (span: CollectedSpan, name: RegExp) => {
    const below = spans.filter(({ traceId }) => traceId === span.traceId).map((each) => each.name)
    expect(below.join('\n'), span.name).to.match(name)
  }

  it('have a span for each request, named by the template of its path', () => {
    expect(collector.resource()).to.include({
      'service.name': 'keyturn',
      'deployment.environment.name': 'test',
      'service.version': 'of-mine',
      'host.name': nameOfMachine(),
    })
    expect(collector.resource()['service.instance.id']).to.match(/^[0-9a-f-]{36}$/)
    expect(named(/healthz|readyz/), 'probes').to.deep.equal([])
    expect(collector.headers()[0]).to.include({ 'x-api-key': 'the key', 'x-tenant': 'traces' })
    const [token] = named('POST /token')
    expect(token?.kind).to.equal(2)
    expect(token?.attributes).to.deep.include({
      'http.request.method': 'POST',
      'http.route': '/token',
      'http.response.status_code': 200,
      'url.scheme': 'http',
    })
    expect(token?.attributes['keyturn.request_id']).to.match(/^[0-9a-f-]{36}$/)
    expect(named('GET /interaction/:uid')).not.to.deep.equal([])
    expect(named('GET /userinfo')).to.have.length(1)
    const [ofNobody] = named('GET /par')
    expect(ofNobody?.attributes).to.include({ 'http.response.status_code': 404 })
    expect(ofNobody?.attributes['keyturn.request_id']).to.match(/^[0-9a-f-]{36}$/)
    const [stray] = named('HTTP')
    expect(stray?.attributes).to.include({ 'http.request.method': '_OTHER' })
    expect(stray?.attributes).not.to.have.property('http.route')
  })

  it('mark failed requests by status, or as aborted by the client', async () => {
    const failed: string[] = []
    const span: RequestSpan = {
      ...{ set: () => undefined, rename: () => undefined, end: () => undefined },
      fail: (type) => void failed.push(type),
    }
    useTracer({
      request: (_traceparent, work) => work(span),
      span: (_start, work) => work(span),
      ids: () => undefined,
      stop: async () => undefined,
    })
    const asked = createServer((incoming, response) =>
      traceRequest(incoming, response, String, () => {
        if (incoming.url === '/left') response.destroy()
        else response.writeHead(Number(incoming.url?.slice(1))).end()
      }),
    )
    await new Promise<void>((resolve) => asked.listen(0, '127.0.0.1', resolve))
    const { port } = asked.address() as AddressInfo
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined)
    try {
      for (const path of ['/404', '/503', '/left']) await ask(path)
      await eventually('both failures are reported', () => failed.length === 2)
      expect(failed).to.deep.equal(['503', 'aborted'])
    } finally {
      useTracer(undefined)
      asked.closeAllConnections()
      asked.close()
    }
  })

  it('have child spans for what a request waits for: Postgres, Redis, hashes', () => {
    for (const token of named('POST /token').slice(0, 1)) {
      expectBelow(token, /^(select|with|update|insert) \w+$/m)
      for (const child of childrenOf(token)) expect(child.traceId).to.equal(token.traceId)
    }
    const [login] = named('POST /interaction/:uid/:step').filter((span) =>
      childrenOf(span).some(({ name }) => name === 'password hash'),
    )
    expect(login, 'a sign-in with its hash').not.to.equal(undefined)
    const toRedis = spans.filter(({ attributes }) => attributes['db.system.name'] === 'redis')
    for (const { name, attributes } of toRedis)
      expect(name).to.equal(attributes['db.operation.name'])
    if (anyStorage === 'services') expect(toRedis).not.to.deep.equal([])
    const statement = named(/^select \w+$/)[0]
    expect(statement?.attributes['db.system.name']).to.equal('postgresql')
    expect(statement?.attributes['db.query.text']).to.match(/^select .*\$1/i)
    const before: Record<string, string> = { insert: 'insert into', delete: 'delete from' }
    for (const { name, attributes } of spans) {
      const [operation = '', table] = name.split(' ')
      if (attributes['db.system.name'] !== 'postgresql' || table === undefined) continue
      const words =
        before[operation] ?? (operation === 'update' ? 'update' : '(?<!epoch )from|into|update')
      const asked = String(attributes['db.query.text'])
      expect(asked, name).to.match(new RegExp(`\\b(${words}) "?${table}\\b`, 'i'))
    }
  })

  it('have spans for outgoing requests, with the host only', () => {
    const [outgoing] = named('GET').filter(({ kind }) => kind === 3)
    expect(outgoing?.parentSpanId).to.equal(undefined)
    expect(outgoing?.status.code).to.equal(2)
    expect(outgoing?.attributes).to.deep.equal({
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(collector.url).port),
      'http.response.status_code': 404,
      'error.type': '404',
    })
  })

  it('are not started by background work', () => {
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined)
    for (const { name } of roots) expect(name).to.match(/^[A-Z]+( |$)/)
  })

  it('continue the trace of a trusted proxy, and of no other client (W3C Trace Context)', () => {
    const health = named('GET /jwks')
    const believed = health.filter(({ traceId }) => traceId === 'b'.repeat(32))
    expect(believed).to.have.length(1)
    expect(believed[0]?.parentSpanId).to.equal('b'.repeat(16))
    expect(health).to.have.length(2)
    expect(spans.filter(({ traceId }) => traceId === 'a'.repeat(32))).to.deep.equal([])
  })

  it('contain no secrets, tokens, queries or personal data', () => {
    const text = collector.text()
    expect(secretsKnown()).to.be.above(5)
    expect(secretsIn(text)).to.deep.equal([])
    const telling = [
      ...[alice.email, alice.name, 'Alice', 'bob', alice.password, 'telling', 'made-up'],
      ...['in-the-query', 'in-the-state', 'localhost:9/callback', 'code_challenge=', '127.0.0.2'],
      ...[machine.client_secret, 'Basic ', 'Bearer ', 'a-made-up-handle'],
    ]
    for (const word of telling) expect(text, word).not.to.include(word)
    const attributes = new Set(spans.flatMap((span) => Object.keys(span.attributes)))
    expect([...attributes]).to.have.members([
      ...['db.operation.name', 'db.query.text', 'db.system.name'],
      ...['http.request.method', 'http.response.status_code', 'http.route'],
      ...['keyturn.request_id', 'keyturn.wait_ms', 'url.scheme'],
      ...['error.type', 'server.address', 'server.port'],
    ])
  })

  it('are linked from log lines of a request, by trace id and request id', () => {
    const [token] = named('POST /token')
    const lines = server
      .logged()
      .split('\n')
      .filter((line) => line.includes(String(token?.traceId)))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines).not.to.deep.equal([])
    const id = token?.attributes['keyturn.request_id']
    for (const line of lines) expect(line).to.include({ request_id: id })
  })
})

describe('OTEL_ settings', () => {
  it('have the names, defaults and precedence of OpenTelemetry', () => {
    const base = 'http://localhost:4318'
    expect(loadConfig({}).otlpTracesEndpoint).to.equal(undefined)
    expect(loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: base }).otlpTracesEndpoint).to.equal(
      `${base}/v1/traces`,
    )
    const whole = {
      OTEL_EXPORTER_OTLP_ENDPOINT: base,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${base}/x`,
    }
    expect(loadConfig(whole).otlpTracesEndpoint).to.equal(`${base}/x`)
    expect(loadConfig({ OTEL_SDK_DISABLED: 'true' }).otelDisabled).to.equal(true)
    expect(loadConfig({ OTEL_TRACES_SAMPLER: 'traceidratio' }).otelSampler).to.equal('traceidratio')
    expect(() => loadConfig({ OTEL_EXPORTER_OTLP_PROTOCOL: 'soap' })).to.throw(
      'OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/json, http/protobuf, grpc, got "soap"',
    )
    expect(() => loadConfig({ OTEL_TRACES_SAMPLER_ARG: '2' })).to.throw(
      'OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, got "2"',
    )
    expect(() => loadConfig({ OTEL_EXPORTER_OTLP_HEADERS: 'secret' })).to.throw(
      'OTEL_EXPORTER_OTLP_HEADERS: expected name=value pairs, separated by commas, special characters percent-encoded, got a value that is not shown here',
    )
    for (const [pair, shown] of [
      ['production', '"production"'],
      [' =production', '" =production"'],
      ['load=100%', '"load=100%"'],
    ] as const) {
      const told = `service.name=login,${pair}`
      expect(() => loadConfig({ OTEL_RESOURCE_ATTRIBUTES: told }), pair).to.throw(
        `OTEL_RESOURCE_ATTRIBUTES: expected name=value pairs, separated by commas, special characters percent-encoded, got ${JSON.stringify(told)} (${shown} is not such a pair)`,
      )
    }
  })

  it('that only the library reads are refused if it would ignore an invalid value', () => {
    const fault = (name: string, value: string) => expect(() => loadConfig({ [name]: value }), name)
    fault('OTEL_EXPORTER_OTLP_TIMEOUT', 'abc').to.throw(
      'OTEL_EXPORTER_OTLP_TIMEOUT: expected milliseconds, a number above 0, got "abc"',
    )
    fault('OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'zstd').to.throw(
      'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: expected one of none, gzip, got "zstd"',
    )
    for (const name of ['CERTIFICATE', 'TRACES_CLIENT_CERTIFICATE', 'CLIENT_KEY']) {
      fault(`OTEL_EXPORTER_OTLP_${name}`, '/nope').to.throw('a readable file, got "/nope"')
    }
    fault('OTEL_EXPORTER_OTLP_TIMEOUT', ' 500 ').not.to.throw()
  })

  it('name the service by OTEL_SERVICE_NAME, or by OTEL_RESOURCE_ATTRIBUTES', () => {
    const nameWith = (env: Record<string, string>) => loadConfig(env).otelServiceName
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=of%20attributes' }
    expect(nameWith({})).to.equal('keyturn')
    expect(nameWith(attributes)).to.equal('of attributes')
    expect(nameWith({ ...attributes, OTEL_SERVICE_NAME: 'of its own' })).to.equal('of its own')
    const long = { OTEL_RESOURCE_ATTRIBUTES: `service.name=${'x'.repeat(201)}` }
    expect(() => nameWith(long)).to.throw(
      /^OTEL_RESOURCE_ATTRIBUTES: expected name=value pairs.*\(service.name: expected text of at most 200 characters\)$/,
    )
  })

  it('enable traces with an endpoint, except with OTEL_TRACES_EXPORTER=none', async () => {
    let said = ''
    const makes = async (env: Record<string, string>) => {
      const config = loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', ...env })
      const before = currentTracer()
      const destination = { write: (line: string) => void (said += line) }
      const stop = await startTracing(config, createLog({ level: 'warn', destination }))
      const made = currentTracer() !== before
      if (made) await stop()
      return made
    }
    expect(await makes({})).to.equal(true)
    expect(await makes({ OTEL_TRACES_EXPORTER: 'none' })).to.equal(false)
    expect(said, 'no warning').to.equal('')
    expect(await makes({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }), 'grpc requested').to.equal(true)
    expect(said).to.include('is ignored: traces are sent as http/json')
    said = ''
    const own = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    }
    expect(await makes(own)).to.equal(true)
    expect(said, 'the setting for traces takes precedence').to.equal('')
  })

  it('that the library reads have an effect, and those without effect are logged', async () => {
    const byTheLibrary = {
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
    }
    const collector = await startCollector()
    let said = ''
    Object.assign(process.env, byTheLibrary)
    try {
      const destination = { write: (line: string) => void (said += line) }
      const stop = await startTracing(
        loadConfig({
          ...byTheLibrary,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_PROPAGATORS: 'b3',
          OTEL_BSP_SCHEDULE_DELAY: '100',
        }),
        createLog({ level: 'warn', destination }),
      )
      currentTracer()?.request(undefined, (span) => span.end())
      await stop()
      expect(collector.headers()[0]).to.include({ 'content-encoding': 'gzip' })
    } finally {
      for (const name of Object.keys(byTheLibrary)) delete process.env[name]
      await collector.stop()
    }
    const [line] = said.split('\n').map((each) => each && JSON.parse(each))
    expect(line).to.include({ msg: 'OpenTelemetry variables that are not supported are ignored' })
    expect(line.variables).to.deep.equal(['OTEL_BSP_SCHEDULE_DELAY', 'OTEL_PROPAGATORS'])
  })
})
