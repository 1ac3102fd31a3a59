import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { apply } from '../../src/cli/apply.ts'
import {
  webhooksDeliveries,
  webhooksList,
  webhooksRemove,
  webhooksRetry,
} from '../../src/cli/webhooks.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { exportedFrom } from '../support/exported.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'
import { remember } from '../support/witness.ts'

const tenant = 'default'
const secret = `whsec_${randomBytes(32).toString('base64')}`

onAnyStorage('webhooks (Standard Webhooks 1.0)', (kind) => {
  let server: TestServer
  let receiver: WebhookReceiver
  let other: WebhookReceiver
  before(async () => {
    remember(secret)
    server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
    receiver = await startWebhookReceiver(secret)
    other = await startWebhookReceiver(secret)
  })
  afterEach(() => {
    backToPresent()
    receiver.answerWith(undefined)
    other.answerWith(undefined)
  })
  after(async () => {
    await receiver?.stop()
    await other?.stop()
    await server?.stop()
  })

  const declare = (...webhooks: object[]) => {
    const document = { resource_servers: [], clients: [], accounts: [], tenants: [], webhooks }
    return apply.execute(server.core, { tenant, plan: false, document } as never)
  }
  const recordEvent = (accountId: string) =>
    server.core.audit.record(tenant, {
      type: 'account.data_downloaded',
      accountId,
      ip: '192.0.2.1',
    })
  const eventsOf = (of: WebhookReceiver, accountId: string) =>
    of.received.filter(({ data }) => data['account_id'] === accountId)

  it('are declared with a secret, which no list, export or event shows', async () => {
    const refused = await refusalOf(declare({ url: receiver.url, events: ['*'] }), 'apply_invalid')
    expect(JSON.stringify(refused.detail)).to.include('secret: required for a new webhook')
    const events = ['account.data_downloaded', 'webhook.*']
    const declared = { url: receiver.url, events, secret }
    expect(await declare(declared)).to.include({ created: 1 })
    expect(await declare(declared)).to.include({ unchanged: 1 })
    expect(await declare({ url: receiver.url, events })).to.include({ unchanged: 1 })
    const { webhooks } = await webhooksList.execute(server.core, { tenant })
    expect(webhooks).to.deep.equal([{ url: receiver.url, events, waiting: 0, failed: 0 }])
    const exported = await exportedFrom(server.core, tenant)
    expect(exported.webhooks).to.deep.equal([{ url: receiver.url, events }])
  })

  it('get only matching events, once they are sealed: signed, with their position in the chain', async () => {
    await server.core.audit.record(tenant, {
      type: 'account.deleted',
      accountId: 'first',
      detail: { by: 'owner' },
    })
    await recordEvent('first')
    const [message] = await eventually('the event arrives', () => {
      const found = eventsOf(receiver, 'first')
      return found.length > 0 && found
    })
    expect(message?.type).to.equal('account.data_downloaded')
    const { events } = await server.core.audit.listEvents(
      tenant,
      { accountId: 'first', types: ['account.data_downloaded'] },
      { limit: 1 },
    )
    expect(message?.data).to.include({
      id: events[0]?.id,
      tenant_id: tenant,
      outcome: 'success',
      ip: '192.0.2.1',
      position: events[0]?.position,
      seal: events[0]?.seal,
    })
    expect(message?.timestamp).to.equal(message?.data['at'])
    expect(receiver.received.map(({ type }) => type)).to.not.include('account.deleted')
  })

  it('are retried with the same id, and do not delay others while they hang (R-21, R-25)', async () => {
    const hung: Array<() => void> = []
    receiver.answerWith((response) => void hung.push(() => response.writeHead(503).end()))
    await declare({ url: other.url, events: ['account.*'], secret })
    for (let i = 0; i < 8; i++) await recordEvent('slow')
    await eventually(
      'the other receiver has all events',
      () => eventsOf(other, 'slow').length === 8,
    )
    // At least one of the hanging requests is an event of `slow`; two may be about the webhooks.
    await eventually('some requests hang', () => hung.length > 2)
    expect(eventsOf(receiver, 'slow')).to.deep.equal([])
    receiver.answerWith(undefined)
    for (const answer of hung) answer()
    await eventually('no event is queued', async () => {
      travel(0.5)
      const { webhooks } = await webhooksList.execute(server.core, { tenant })
      return webhooks.find(({ url }) => url === receiver.url)?.waiting === 0
    })
    // A message whose lease expires meanwhile is delivered twice.
    const slow = new Set(eventsOf(receiver, 'slow').map(({ id }) => id))
    expect(slow.size).to.equal(8)
    expect(receiver.ids.filter((id) => slow.has(id)).length, 'attempts').to.be.above(8)
  })

  it('are given up, listed with the reason, and sent again on request', async () => {
    receiver.answerWith((response) => void response.writeHead(410).end())
    await recordEvent('gone')
    const failed = () =>
      webhooksDeliveries.execute(server.core, { tenant, url: receiver.url, state: 'failed' })
    const [dead] = await eventually('the failed delivery is listed', async () => {
      const { deliveries } = await failed()
      return deliveries.length > 0 && deliveries
    })
    expect(dead).to.include({
      type: 'account.data_downloaded',
      last_error: 'answered 410',
      attempts: 1,
    })
    const { webhooks } = await webhooksList.execute(server.core, { tenant })
    expect(webhooks.find(({ url }) => url === receiver.url)).to.include({ failed: 1 })

    receiver.answerWith(undefined)
    const retry = (which: object) => webhooksRetry.execute(server.core, { tenant, ...which })
    expect(await retry({ id: 'another' })).to.deep.equal({ retried: 0 })
    expect(await retry({ id: dead?.id })).to.deep.equal({ retried: 1 })
    await eventually('the event arrives', () => eventsOf(receiver, 'gone').length === 1)
    expect(eventsOf(receiver, 'gone')[0]?.id).to.equal(dead?.id)
    expect((await failed()).deliveries).to.deep.equal([])
    expect(await retry({ url: receiver.url })).to.deep.equal({ retried: 0 })
  })

  it('get no more events once they are removed', async () => {
    const remove = () => webhooksRemove.execute(server.core, { tenant, url: other.url })
    expect((await remove()).changed).to.equal(true)
    expect((await remove()).changed).to.equal(false)
    await recordEvent('later')
    await eventually(
      'the remaining receiver has the event',
      () => eventsOf(receiver, 'later').length === 1,
    )
    expect(eventsOf(other, 'later')).to.deep.equal([])
    const { events } = await server.core.audit.listEvents(
      tenant,
      { types: ['webhook.created', 'webhook.removed'] },
      { limit: 9, order: 'oldest' },
    )
    expect(events.map(({ type, detail }) => [type, detail])).to.deep.equal([
      ['webhook.created', { url: receiver.url, members: ['events', 'secret'] }],
      ['webhook.created', { url: other.url, members: ['events', 'secret'] }],
      ['webhook.removed', { url: other.url }],
    ])
  })
})
