import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, ordersApi } from '../support/fixtures.ts'
import { expectRefusal } from '../support/protocol.ts'
import {
  askSignals,
  type PushReceiver,
  type StreamView,
  signalToken,
  startPushReceiver,
} from '../support/signals.ts'

const pushed = 'urn:ietf:rfc:8935'
const polled = 'urn:ietf:rfc:8936' as const

describe('limits for a receiver of shared signals', () => {
  let server: TestServer
  let receiver: PushReceiver
  let token: string
  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    receiver = await startPushReceiver()
    token = await signalToken(server, ordersApi)
  })
  beforeEach(() => receiver.answerWith(undefined))
  afterEach(async () => {
    const stream = await server.core.signals.of(defaultTenant, ordersApi.client_id)
    if (stream) await server.core.signals.delete(defaultTenant, stream.id)
  })
  after(async () => {
    await receiver?.stop()
    await server?.stop()
  })

  const ask = (method: string, path: string, body?: unknown) =>
    askSignals(server, token, method, path, body)
  const create = async (body: unknown = {}) =>
    (await ask('POST', 'ssf/streams', body)).json() as StreamView
  const setStatus = async (id: string, status: string) =>
    expect((await ask('POST', 'ssf/status', { stream_id: id, status })).status).to.equal(200)
  const fill = (stream: string, many: number) =>
    server.core.database.execute(
      `insert into signal_events (tenant_id, id, stream_id, payload, created_at)
       select $1, $2 || i::text, $2, '{"event":"x","subject":{},"body":{}}', $4
         from generate_series(1, $3) as i`,
      [defaultTenant, stream, many, new Date()],
    )
  const queued = async () => {
    const pending = `kind = 'signal' and delivered_at is null and failed_at is null`
    return (await server.core.database.query(`select 1 from outbox where ${pending}`)).length
  }

  it('each waiting event is queued once, however often a stream is changed or paused', async () => {
    receiver.answerWith((response) => response.writeHead(503).end())
    const delivery = { method: pushed, endpoint_url: receiver.url }
    const { stream_id } = await create({ delivery })
    await fill(stream_id, 5)
    await setStatus(stream_id, 'paused')
    await setStatus(stream_id, 'enabled')
    expect(await queued()).to.equal(5)
    await ask('PATCH', 'ssf/streams', { stream_id, description: 'Other' })
    await ask('PUT', 'ssf/streams', { stream_id, delivery })
    expect(await queued(), 'after changes').to.equal(5)
    for (let times = 0; times < 3; times++) {
      await setStatus(stream_id, 'paused')
      await setStatus(stream_id, 'enabled')
    }
    expect(await queued(), 'after pauses').to.equal(5)
    await eventually('five attempts arrive', () => receiver.received.length >= 5)

    const other = await startPushReceiver()
    try {
      await ask('PATCH', 'ssf/streams', {
        stream_id,
        delivery: { method: pushed, endpoint_url: other.url },
      })
      await eventually('all events arrive at the new address', () => other.received.length >= 5)
      await eventually('the queue is empty', async () => (await queued()) === 0)
    } finally {
      await other.stop()
    }
  })

  it('undelivered events do not block others: a pause withdraws 10,000 of them at once', async () => {
    receiver.answerWith((response) => response.writeHead(503).end())
    const delivery = { method: pushed, endpoint_url: receiver.url }
    const { stream_id } = await create({ delivery })
    await fill(stream_id, 10_000)
    // Events that are being delivered during the withdrawal remain.
    const underWay = 100
    for (let times = 0; times < 2; times++) {
      await setStatus(stream_id, 'paused')
      expect(await queued(), 'except those under way').to.be.at.most(underWay)
      await setStatus(stream_id, 'enabled')
      expect(await queued()).to.equal(10_000)
    }
    await server.core.signals.delete(defaultTenant, stream_id)
    expect(await queued(), 'after deletion').to.be.at.most(underWay)
  })

  it('events that waited in a polled stream are pushed after a change of delivery', async () => {
    const { stream_id } = await create()
    // Events of earlier tests may still arrive.
    const own = () =>
      receiver.received.filter(({ set }) => decodeJwt(set).jti?.startsWith(stream_id))
    await fill(stream_id, 2)
    const delivery = { method: pushed, endpoint_url: receiver.url }
    await ask('PATCH', 'ssf/streams', { stream_id, delivery })
    await eventually('both events arrive', () => own().length === 2)
  })

  it('a late change neither restores a deleted stream nor ends a pause', async () => {
    const { stream_id } = await create()
    const { signals } = server.core
    const before = await signals.of(defaultTenant, ordersApi.client_id)
    if (!before) throw new Error('no stream')
    await signals.setStatus(defaultTenant, before, 'paused', 'maintenance')
    const changed = { delivery: { method: polled }, events_requested: [] }
    const next = await signals.replace(defaultTenant, before, changed)
    expect(next).to.include({ status: 'paused', reason: 'maintenance' })
    const page = await ask('GET', `ssf/status?stream_id=${stream_id}`)
    expect(page.json()).to.deep.equal({ stream_id, status: 'paused', reason: 'maintenance' })

    await signals.delete(defaultTenant, stream_id)
    for (const late of [
      () => signals.replace(defaultTenant, before, changed),
      () => signals.setStatus(defaultTenant, before, 'enabled'),
    ]) {
      const error = await late().then(
        () => undefined,
        (refused: unknown) => refused,
      )
      expect(error).to.include({ code: 'not_found' })
    }
    expect(await signals.of(defaultTenant, ordersApi.client_id)).to.equal(undefined)
  })

  it('ten polls run at a time, with at most a hundred events each, even without waiting', async () => {
    const { stream_id, delivery } = await create()
    // More than the limit, because a poll that does not wait may take a place first.
    const wait = Array.from({ length: 20 }, () => ask('POST', delivery.endpoint_url, {}))
    await eventually('all long polls are taken', async () => {
      const page = await ask('POST', delivery.endpoint_url, { returnImmediately: true })
      return page.status === 429
    })
    await fill(stream_id, 101)
    for (const page of await Promise.all(wait)) {
      expect(page.status, page.body).to.be.oneOf([200, 429])
    }
    const asked = { returnImmediately: true, maxEvents: 1000 }
    const page = (await ask('POST', delivery.endpoint_url, asked)).json() as { sets: object }
    expect(Object.keys(page.sets)).to.have.length(100)
    expect(page).to.include({ moreAvailable: true })
  })

  it('access ends with introspection_clients, even with a valid token', async () => {
    const { stream_id, delivery } = await create()
    const waiting = ask('POST', delivery.endpoint_url, {})
    const { resources } = server.core
    const declare = (introspection_clients: string[]) =>
      resources.declare(defaultTenant, {
        identifier: api,
        scopes: ['orders:read', 'orders:write'],
        introspection_clients,
      })
    await declare([])
    try {
      expectRefusal(await waiting, 403, 'access_denied')
      await fill(stream_id, 1)
      const poll = await ask('POST', delivery.endpoint_url, { returnImmediately: true })
      expectRefusal(poll, 403, 'access_denied')
      expectRefusal(await ask('GET', 'ssf/streams'), 403, 'access_denied')
    } finally {
      await declare([ordersApi.client_id])
    }
  })
})
