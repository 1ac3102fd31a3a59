import { expect } from 'chai'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { idsOf } from '../support/audit.ts'
import { boot, booted, type TestServer } from '../support/boot.ts'
import { answerRequest, askForResult, askPerson, bank, startRequest } from '../support/ciba.ts'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { type PingReceiver, startPingReceiver } from '../support/ping-receiver.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { dump, remember, secretsIn } from '../support/witness.ts'

const client_notification_token = 'the-notification-token-of-a-request'

onAnyStorage('backchannel authentication, ping (OpenID CIBA Core §10.2)', (kind) => {
  const server = booted(kind, { ALLOW_LOOPBACK_FETCH: 'on' }, furnish)
  let receiver: PingReceiver
  let agent: UserAgent
  /** Events of earlier tests. */
  let earlier: string[] = []
  const teller = { ...bank, client_id: 'teller', backchannel_token_delivery_mode: 'ping' }

  before(async () => {
    remember(teller.client_secret, client_notification_token)
    agent = createUserAgent()
  })
  beforeEach(async () => {
    receiver = await startPingReceiver()
    const backchannel_client_notification_endpoint = receiver.uri
    const declared = { ...teller, backchannel_client_notification_endpoint }
    await server.core.clients.declare('default', declared)
    earlier = await idsOf(server)
  })
  afterEach(async () => {
    backToPresent()
    await receiver?.stop()
    await server.core.database.execute('delete from backchannel_requests', [])
    await server.core.database.execute('delete from outbox', [])
  })

  const start = () => startRequest(server, { client_notification_token }, teller)
  /** Waits while the clock runs eight times as fast, so that failed deliveries are retried. */
  const inTime: typeof eventually = (what, check) =>
    eventually(what, () => {
      travel(0.2)
      return check()
    })
  const outcome = (type: string) =>
    inTime(type, async () => {
      const rows = await server.core.database.query<{ detail: { attempts: number } }>(
        'select detail from audit_events where type = $1 and id <> all($2)',
        [type, earlier],
      )
      return rows[0]?.detail
    })

  it('notifies the client once, after the user allows or denies', async () => {
    for (const button of ['#allow', '#deny'] as const) {
      const request = await start()
      const before = receiver.received.length
      await answerRequest(server, button, agent)
      const [ping] = (await receiver.waitForPings(before + 1)).slice(before)
      expect(ping).to.deep.equal({
        method: 'POST',
        authorization: `Bearer ${client_notification_token}`,
        type: 'application/json',
        body: { auth_req_id: request.auth_req_id },
      })
      const result = await askForResult(server, request, teller)
      if (button === '#allow') tokensIn(result)
      else expectRefusal(result, 400, 'access_denied')
    }
    expect(await outcome('backchannel.notified')).to.deep.include({ attempts: 1 })
  })

  it('lets the client poll without waiting for the ping (§11)', async () => {
    const request = await start()
    expectRefusal(await askForResult(server, request, teller), 400, 'authorization_pending')
  })

  it('requires client_notification_token: a bearer token of at most 1024 characters (§7.1)', async () => {
    for (const token of [undefined, 'with space', 'x'.repeat(1025), 'ä']) {
      const page = await askPerson(server, { client_notification_token: token }, teller)
      expectRefusal(page, 400, 'invalid_request')
    }
  })

  it('stores the token and the auth_req_id sealed while the client is unreachable (C19)', async () => {
    receiver.answerWith((response) => response.writeHead(503).end())
    await start()
    await answerRequest(server, '#allow', agent)
    await eventually('an attempt arrives', () => receiver.received.length > 0)
    const kept = await dump(server.core.database, server.env['REDIS_URL'])
    expect(kept).to.include('backchannel_ping')
    expect(secretsIn(kept)).to.deep.equal([])
  })

  it('retries while the client returns errors, and follows no redirect', async () => {
    const elsewhere = await startPingReceiver()
    const answers = [503, 302, 500]
    receiver.answerWith((response) => {
      const status = answers[receiver.received.length - 1] ?? 204
      response.writeHead(status, { location: elsewhere.uri }).end()
    })
    await start()
    await answerRequest(server, '#allow', agent)
    for (const attempts of [1, 2, 3]) {
      await inTime(`attempt ${attempts}`, () => receiver.received.length >= attempts)
    }
    expect(await outcome('backchannel.notified')).to.deep.include({ attempts: 4 })
    expect(elsewhere.received).to.deep.equal([])
    await elsewhere.stop()
  })

  it('gives up at once when the client rejects the token', async () => {
    receiver.answerWith((response) => response.writeHead(401).end())
    await start()
    await answerRequest(server, '#allow', agent)
    expect(await outcome('backchannel.notify_failed')).to.deep.equal({
      ...{ attempts: 1, reason: 'answered 401' },
    })
  })

  it('stops when the request expires', async () => {
    receiver.answerWith((response) => response.writeHead(503).end())
    await start()
    await answerRequest(server, '#allow', agent)
    await eventually('an attempt arrives', () => receiver.received.length > 0)
    const attempts = receiver.received.length
    travel(700)
    const failure = await outcome('backchannel.notify_failed')
    expect(failure).to.deep.include({ reason: 'the request has expired' })
    expect(receiver.received.length).to.be.at.most(attempts + 1)
  })

  it('stops when the client is disabled', async () => {
    receiver.answerWith((response) => response.writeHead(503).end())
    await start()
    await answerRequest(server, '#allow', agent)
    await eventually('an attempt arrives', () => receiver.received.length > 0)
    await server.core.revocations.setClientDisabled('default', teller.client_id, true)
    const failure = await outcome('backchannel.notify_failed')
    expect(JSON.stringify(failure)).to.include('disabled')
    travel(2)
    await server.core.revocations.setClientDisabled('default', teller.client_id, false)
  })
})

describe('ping delivery to private addresses (C11)', () => {
  let server: TestServer
  let canary: PingReceiver
  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    canary = await startPingReceiver()
    const backchannel_client_notification_endpoint = canary.uri
    await server.core.clients.declare('default', {
      ...bank,
      ...{ backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint },
    })
  })
  after(async () => {
    await canary?.stop()
    await server?.stop()
  })

  it('is refused unless loopback is allowed, and polling still works', async () => {
    const request = await startRequest(server, { client_notification_token })
    await answerRequest(server)
    await eventually('the attempt has failed', async () => {
      const [row] = await server.core.database.query<{ last_error: string | null }>(
        `select last_error from outbox where kind = 'backchannel_ping'`,
      )
      return row?.last_error?.includes('url_refused') || row?.last_error?.includes('refused')
    })
    expect(canary.received).to.deep.equal([])
    tokensIn(await askForResult(server, request))
  })
})
