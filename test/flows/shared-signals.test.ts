import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, furnish, machine, ordersApi, spa, web } from '../support/fixtures.ts'
import { expectRefusal, post, tokensFor } from '../support/protocol.ts'
import {
  askSignals,
  type PushReceiver,
  type StreamView as Stream,
  signalToken,
  startPushReceiver,
  verifiedSet,
} from '../support/signals.ts'
import { remember } from '../support/witness.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type'
const pushed = 'urn:ietf:rfc:8935'
const polled = 'urn:ietf:rfc:8936'
const pairwise = { ...web, client_id: 'pairwise', subject_type: 'pairwise' }
const mailApi = { ...ordersApi, client_id: 'mail-api', client_secret: 'the-secret-of-the-mail-api' }
const mail = 'https://mail.example.com'

describe('shared signals (SSF 1.0, CAEP 1.0)', () => {
  let server: TestServer
  let receiver: PushReceiver
  let token: string
  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    receiver = await startPushReceiver()
    remember('Bearer what-the-receiver-wants')
    await server.core.clients.declare(defaultTenant, pairwise)
    await server.core.clients.declare(defaultTenant, mailApi)
    await server.core.resources.declare(defaultTenant, {
      identifier: mail,
      scopes: ['mail:send'],
      introspection_clients: [mailApi.client_id],
    })
    token = await signalToken(server, ordersApi)
  })
  beforeEach(() => receiver.answerWith(undefined))
  afterEach(async () => {
    for (const { stream_id: id } of await listed()) {
      await ask('DELETE', `ssf/streams?stream_id=${id}`)
    }
  })
  after(async () => {
    await receiver?.stop()
    await server?.stop()
  })

  const ask = (method: string, path: string, body?: unknown, as: string | undefined = token) =>
    askSignals(server, as, method, path, body)
  const listed = async () => (await ask('GET', 'ssf/streams')).json() as Stream[]
  async function create(body: unknown = {}): Promise<Stream> {
    const page = await ask('POST', 'ssf/streams', body)
    expect(page.status, page.body).to.equal(201)
    return page.json() as Stream
  }
  async function poll({ delivery }: Stream, body: object = {}) {
    const page = await ask('POST', delivery.endpoint_url, { returnImmediately: true, ...body })
    expect(page.status, page.body).to.equal(200)
    return page.json() as { sets: Record<string, string>; moreAvailable?: boolean }
  }
  const person = async () => {
    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    if (!account) throw new Error('no account')
    return account
  }
  const signIn = (client: typeof web | typeof spa = web) =>
    tokensFor(server, client, { resource: api, scope: 'openid orders:read' })
  /** All events polled until one of this type arrives. */
  async function until(stream: Stream, event: string) {
    return eventually(event, async () => {
      const { sets } = await poll(stream)
      const all = await Promise.all(
        Object.values(sets).map((set) => verifiedSet(server.issuer, api, set)),
      )
      return all.some(({ events }) => event in events) && all
    })
  }

  it('publishes its configuration, also for issuers with a path (SSF 1.0 §7)', async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    for (const [path, issuer] of [
      ['.well-known/ssf-configuration', server.issuer],
      ['.well-known/ssf-configuration/t/acme', `${server.issuer}/t/acme`],
    ] as const) {
      const metadata = (await askSignals(server, undefined, 'GET', path)).json()
      expect(metadata).to.deep.equal({
        spec_version: '1_0',
        issuer,
        jwks_uri: `${issuer}/jwks`,
        delivery_methods_supported: [pushed, polled],
        configuration_endpoint: `${issuer}/ssf/streams`,
        status_endpoint: `${issuer}/ssf/status`,
        verification_endpoint: `${issuer}/ssf/verify`,
        authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
        default_subjects: 'ALL',
      })
    }
  })

  it('is open to clients that introspect, by scope (CAEP Interop 1.0 §2.7.2)', async () => {
    const asked = { grant_type: 'client_credentials', resource: `${server.issuer}/ssf` }
    expectRefusal(await post(server, '/token', machine, asked), 400, 'invalid_target')
    expectRefusal(await askSignals(server, undefined, 'GET', 'ssf/streams'), 401, 'invalid_token')
    const read = await signalToken(server, ordersApi, 'ssf.read')
    expect((await ask('GET', 'ssf/streams', undefined, read)).status).to.equal(200)
    expectRefusal(await ask('POST', 'ssf/streams', {}, read), 403, 'insufficient_scope')
    const manage = await signalToken(server, ordersApi, 'ssf.manage')
    expect((await ask('GET', 'ssf/streams', undefined, manage)).status).to.equal(200)
    expectRefusal(await ask('POST', 'ssf/poll/any', {}, manage), 403, 'insufficient_scope')
    const feed = { ...asked, resource: `${server.issuer}/revocations` }
    const { access_token: foreign } = (await post(server, '/token', ordersApi, feed)).json() as {
      access_token: string
    }
    expectRefusal(await ask('GET', 'ssf/streams', undefined, foreign), 401, 'invalid_token')
  })

  it('creates, reads, updates, replaces and deletes a stream (SSF 1.0 §8.1.1)', async () => {
    const events_requested = [`${caep}/session-revoked`, `${caep}/never-heard-of`]
    const stream = await create({ events_requested, description: 'Orders', x: 'unknown' })
    const { stream_id: id } = stream
    expect(stream).to.deep.equal({
      stream_id: id,
      iss: server.issuer,
      aud: api,
      events_supported: [`${caep}/session-revoked`, `${caep}/credential-change`],
      events_requested,
      events_delivered: [`${caep}/session-revoked`],
      delivery: { method: polled, endpoint_url: `${server.issuer}/ssf/poll/${id}` },
      min_verification_interval: 5,
      description: 'Orders',
    })
    expect((await ask('GET', `ssf/streams?stream_id=${id}`)).json()).to.deep.equal(stream)
    expect(await listed()).to.deep.equal([stream])
    expectRefusal(await ask('POST', 'ssf/streams', {}), 409, 'invalid_request')

    const updated = await ask('PATCH', 'ssf/streams', { stream_id: id, description: 'Other' })
    expect(updated.json()).to.deep.equal({ ...stream, description: 'Other' })
    const all = [...(stream['events_supported'] as string[])]
    const { description: _, ...rest } = stream
    const replaced = await ask('PUT', 'ssf/streams', { stream_id: id, events_requested: all })
    const wanted = { ...rest, events_requested: all, events_delivered: all }
    expect(replaced.json()).to.deep.equal(wanted)

    const foreign = { stream_id: id, iss: 'https://evil.example' }
    expectRefusal(await ask('PATCH', 'ssf/streams', foreign), 400, 'invalid_request')
    for (const delivery of [
      { method: 'carrier-pigeon' },
      { method: pushed },
      { method: pushed, endpoint_url: 'javascript:alert(1)' },
      { method: pushed, endpoint_url: 'https://a.example/#x' },
      { method: pushed, endpoint_url: receiver.url, authorization_header: 'a\r\nb: c' },
    ]) {
      expectRefusal(
        await ask('PATCH', 'ssf/streams', { stream_id: id, delivery }),
        400,
        'invalid_request',
      )
    }
    expect((await ask('DELETE', `ssf/streams?stream_id=${id}`)).status).to.equal(204)
    expect((await ask('GET', `ssf/streams?stream_id=${id}`)).status).to.equal(404)
  })

  it('neither repeats nor stores an authorization header that it cannot send', async () => {
    remember('Token of-the-receiver')
    const delivery = { method: pushed, endpoint_url: receiver.url }
    const page = await ask('POST', 'ssf/streams', {
      delivery: { ...delivery, authorization_header: 'Token of-the-receiver\n' },
    })
    expectRefusal(page, 400, 'invalid_request')
    expect(page.body).not.to.include('Token of-the-receiver')
    const id = page.headers.get('request-id') ?? ''
    const found = await server.core.refusals.find(id)
    expect(found?.reason).to.include('delivery.authorization_header: must be one line')
  })

  it('hides a stream from other receivers', async () => {
    const { stream_id: id, delivery } = await create()
    const other = await signalToken(server, mailApi)
    expect((await ask('GET', 'ssf/streams', undefined, other)).json()).to.deep.equal([])
    for (const [method, path, body] of [
      ['GET', `ssf/streams?stream_id=${id}`],
      ['DELETE', `ssf/streams?stream_id=${id}`],
      ['PATCH', 'ssf/streams', { stream_id: id }],
      ['GET', `ssf/status?stream_id=${id}`],
      ['POST', 'ssf/status', { stream_id: id, status: 'disabled' }],
      ['POST', 'ssf/verify', { stream_id: id }],
      ['POST', delivery.endpoint_url, { returnImmediately: true }],
    ] as const) {
      expect((await ask(method, path, body, other)).status, `${method} ${path}`).to.equal(404)
    }
  })

  it('verifies a stream, at most once per interval (SSF 1.0 §8.1.4)', async () => {
    const stream = await create()
    const asked = { stream_id: stream.stream_id, state: 'the-state-of-the-receiver' }
    expect((await ask('POST', 'ssf/verify', asked)).status).to.equal(204)
    expect((await ask('POST', 'ssf/verify', asked)).status).to.equal(429)
    const { sets } = await poll(stream)
    const [jti = '', set = ''] = Object.entries(sets)[0] ?? []
    const claims = await verifiedSet(server.issuer, api, set)
    expect(claims.jti).to.equal(jti)
    expect(claims.sub_id).to.deep.equal({ format: 'opaque', id: stream.stream_id })
    expect(claims.events).to.deep.equal({ [`${ssf}/verification`]: { state: asked.state } })
    expect((await poll(stream)).sets, 'until acknowledged').to.have.property(jti)
    expect((await poll(stream, { ack: [jti] })).sets).to.deep.equal({})
  })

  it('reports an ended session with the subject and session id of the tokens', async () => {
    const stream = await create()
    const { access_token } = await signIn()
    const { sub, sid } = decodeJwt(access_token)
    for (const { uid } of await server.core.sessions.list(defaultTenant, (await person()).id)) {
      await server.core.revocations.endSession(defaultTenant, uid)
    }
    const all = await until(stream, `${caep}/session-revoked`)
    const own = all.find(({ sub_id }) => JSON.stringify(sub_id).includes(String(sid)))
    expect(own?.sub_id).to.deep.equal({
      format: 'complex',
      user: { format: 'iss_sub', iss: server.issuer, sub },
      session: { format: 'opaque', id: sid },
    })
    const body = own?.events[`${caep}/session-revoked`] as Record<string, unknown>
    expect(body).to.deep.include({
      initiating_entity: 'admin',
      reason_admin: { en: 'Session ended' },
    })
    expect(body['event_timestamp']).to.be.closeTo(Date.now() / 1000, 30)
  })

  it('reports log-out everywhere and a new password, with pairwise subjects for pairwise clients', async () => {
    const stream = await create()
    const { access_token } = await signIn(pairwise)
    const { sub } = decodeJwt(access_token)
    await server.core.revocations.passwordChanged(await person())
    await until(stream, `${caep}/session-revoked`)
    const all = await until(stream, `${caep}/credential-change`)
    const mine = all.filter(({ sub_id }) => (sub_id as { sub?: unknown }).sub === sub)
    const bodies = Object.assign({}, ...mine.map(({ events }) => events)) as Record<string, object>
    expect(bodies[`${caep}/credential-change`]).to.deep.include({
      credential_type: 'password',
      change_type: 'update',
      initiating_entity: 'admin',
      reason_admin: { en: 'Password changed' },
    })
    expect(bodies).to.have.property(`${caep}/session-revoked`)
    const others = all.filter((each) => !mine.includes(each))
    const occurrences = (of: typeof all) => [...new Set(of.map(({ txn }) => txn))]
    expect(occurrences(mine), 'one transaction').to.have.length(1)
    expect(others.length, 'for clients with public subjects').to.be.greaterThan(0)
    expect(occurrences(others)).not.to.include(occurrences(mine)[0])
  })

  it('reports nothing about users who granted nothing at that API', async () => {
    const other = await signalToken(server, mailApi)
    const made = (await ask('POST', 'ssf/streams', {}, other)).json() as Stream
    const stream = await create()
    await signIn()
    await server.core.revocations.logOutEverywhere(await person())
    await until(stream, `${caep}/session-revoked`)
    const body = { returnImmediately: true }
    const page = await ask('POST', made.delivery.endpoint_url, body, other)
    expect(page.json()).to.deep.equal({ sets: {} })
    await ask('DELETE', `ssf/streams?stream_id=${made.stream_id}`, undefined, other)
  })

  it('pushes with the authorization header of the receiver, until accepted (RFC 8935)', async () => {
    receiver.received.length = 0
    receiver.answerWith((response) => response.writeHead(503).end())
    const authorization_header = 'Bearer what-the-receiver-wants'
    const delivery = { method: pushed, endpoint_url: receiver.url, authorization_header }
    const stream = await create({ delivery })
    expect(stream.delivery).to.deep.equal({ method: pushed, endpoint_url: receiver.url })
    await ask('POST', 'ssf/verify', { stream_id: stream.stream_id, state: 's' })
    await eventually('a first attempt arrives', () => receiver.received[0])
    receiver.answerWith(undefined)
    const again = await eventually('another attempt arrives', () => receiver.received[1])
    expect(again.headers).to.include({
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      authorization: authorization_header,
    })
    const [one, other] = receiver.received.map(({ set }) => decodeJwt(set).jti)
    expect(one, 'the same token').to.equal(other)
    await verifiedSet(server.issuer, api, again.set)
    await eventually('no event is queued', async () => {
      const rows = await server.core.database.query('select 1 from signal_events')
      return rows.length === 0
    })
  })

  it('keeps events during a pause, and drops them when disabled (SSF 1.0 §8.1.2)', async () => {
    const stream = await create()
    const set = (status: string, reason?: string) =>
      ask('POST', 'ssf/status', { stream_id: stream.stream_id, status, reason })
    const paused = { stream_id: stream.stream_id, status: 'paused', reason: 'maintenance' }
    expect((await set('paused', 'maintenance')).json()).to.deep.equal(paused)
    const shown = await ask('GET', `ssf/status?stream_id=${stream.stream_id}`)
    expect(shown.json()).to.deep.equal(paused)
    await ask('POST', 'ssf/verify', { stream_id: stream.stream_id })
    expect((await poll(stream)).sets).to.deep.equal({})
    await set('enabled')
    expect(Object.keys((await poll(stream)).sets)).to.have.length(1)
    await set('disabled')
    await set('enabled')
    expect((await poll(stream)).sets).to.deep.equal({})
    expectRefusal(await set('asleep'), 400, 'invalid_request')
  })

  it('pushes waiting events after a pause', async () => {
    const delivery = { method: pushed, endpoint_url: receiver.url }
    const { stream_id } = await create({ delivery })
    await ask('POST', 'ssf/status', { stream_id, status: 'paused' })
    receiver.received.length = 0
    await ask('POST', 'ssf/verify', { stream_id, state: 'waits' })
    await ask('POST', 'ssf/status', { stream_id, status: 'enabled' })
    const { set } = await eventually('the push arrives', () => receiver.received[0])
    expect(decodeJwt(set)['events']).to.deep.equal({ [`${ssf}/verification`]: { state: 'waits' } })
  })

  it('waits in a poll for the next event, and takes error reports as acknowledgements (RFC 8936 §2)', async () => {
    const stream = await create()
    const waiting = ask('POST', stream.delivery.endpoint_url, { maxEvents: 5 })
    await ask('POST', 'ssf/verify', { stream_id: stream.stream_id })
    const { sets } = (await waiting).json() as { sets: Record<string, string> }
    const [jti = ''] = Object.keys(sets)
    expect(jti).to.not.equal('')
    const setErrs = { [jti]: { err: 'invalid_audience', description: 'not mine' } }
    expect(await poll(stream, { setErrs, maxEvents: 0 })).to.deep.equal({ sets: {} })
    expect((await poll(stream)).sets).to.deep.equal({})
    for (const body of [{ maxEvents: -1 }, { ack: 'x' }, { setErrs: { x: 1 } }]) {
      expectRefusal(await ask('POST', stream.delivery.endpoint_url, body), 400, 'invalid_request')
    }
  })

  it('logs many refused event tokens in one line, with details of the first five', async () => {
    const stream = await create()
    const err = { err: 'invalid_audience', description: 'd'.repeat(300) }
    const setErrs = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`jti-${i}`, err]))
    const before = server.logged().length
    await poll(stream, { setErrs, maxEvents: 0 })
    const lines = server
      .logged()
      .slice(before)
      .split('\n')
      .filter((line) => line.includes('a receiver refused event tokens'))
    expect(lines).to.have.length(1)
    const { refused, first } = JSON.parse(lines[0] ?? '') as { refused: number; first: unknown[] }
    expect(refused).to.equal(100)
    expect(first).to.have.length(5)
    expect(first[0]).to.deep.equal({ jti: 'jti-0', ...err, description: 'd'.repeat(200) })
  })

  it('keeps ten thousand events, then drops the oldest and reports it', async () => {
    const stream = await create()
    await server.core.database.execute(
      `insert into signal_events (tenant_id, id, stream_id, payload, created_at)
       select $1, i::text, $2, '{"event":"x","subject":{},"body":{}}', $3::timestamptz + i * interval '1 ms'
         from generate_series(1, 10000) as i`,
      [defaultTenant, stream.stream_id, new Date(Date.now() - 60_000)],
    )
    await ask('POST', 'ssf/verify', { stream_id: stream.stream_id })
    const { sets, moreAvailable } = await poll(stream, { maxEvents: 1 })
    expect(Object.keys(sets), 'the second oldest').to.deep.equal(['2'])
    expect(moreAvailable).to.equal(true)
    await server.core.database.execute(
      `delete from signal_events where payload->>'event' = 'x'`,
      [],
    )
    const all = await until(stream, `${ssf}/stream-updated`)
    const updated = all.find(({ events }) => `${ssf}/stream-updated` in events)
    expect(updated?.events[`${ssf}/stream-updated`]).to.deep.equal({
      status: 'enabled',
      reason: 'more than 10000 events were waiting: the oldest were dropped',
    })
  })
})
