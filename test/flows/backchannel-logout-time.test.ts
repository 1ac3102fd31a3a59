import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, web } from '../support/fixtures.ts'
import { startLogoutReceiver } from '../support/logout-receiver.ts'
import { tokensFor } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type LogoutScene, logoutScene, shop } from './logout-scene.ts'

/** Each test has its own server, because it moves the clock. */
onAnyStorage('back-channel log-out over time (P-070)', (kind) => {
  let scene: LogoutScene
  beforeEach(async () => {
    scene = await logoutScene(await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' }))
  })
  afterEach(async () => {
    backToPresent()
    await scene?.stop()
    await scene?.server.stop()
  })

  it('notifies clients that hold only offline access, with the sid they know', async () => {
    const { id_token } = await tokensFor(scene.server, shop, { scope: 'openid offline_access' })
    // The session expires, and later its row is deleted; the family remains.
    travel(25 * 24 * 3600)
    await scene.server.core.sessions.sweep()
    expect(await scene.server.core.database.query('select 1 from sessions')).to.deep.equal([])
    await scene.server.core.revocations.logOutEverywhere(await scene.accountOfAlice())
    // The token is due at the time of the log-out, so the clock must not go back before it is sent.
    const received = await eventually('a logout token arrives', () => scene.shopParty.received[0])
    backToPresent()
    expect(decodeJwt(received.token)).to.include({
      sid: decodeJwt(id_token as string)['sid'],
      aud: 'shop',
    })
  })

  it('sends nothing when a session expires', async () => {
    await tokensFor(scene.server, web, {}, createUserAgent())
    travel(40 * 24 * 3600)
    await scene.server.core.sessions.sweep()
    expect(await scene.logouts()).to.deep.equal([])
  })

  it('gives up after a day', async () => {
    await scene.webParty.stop()
    const agent = createUserAgent()
    await tokensFor(scene.server, web, {}, agent)
    await scene.signOut(agent)
    await eventually('an attempt has failed', async () => (await scene.logouts())[0]?.lastError)
    travel(24 * 3600 + 1)
    const [failed] = await eventually('the delivery is given up', async () => {
      const found = await scene.logouts({ state: 'failed' })
      return found.length > 0 && found
    })
    expect(failed?.lastError).to.match(/^connection_failed/)
    expect(failed).not.to.have.property('nextAt')
    expect(await scene.audited()).to.have.nested.property('[0].detail.reason', failed?.lastError)
  })

  it('is kept for a week, and for a month if it failed (C25)', async () => {
    const agent = createUserAgent()
    await tokensFor(scene.server, web, {}, agent)
    await scene.signOut(agent)
    await eventually(
      'the logout token is delivered',
      async () => (await scene.logouts())[0]?.state === 'delivered',
    )
    travel(6.9 * 24 * 3600)
    expect(await scene.server.core.outbox.sweep()).to.equal(0)
    expect(await scene.logouts()).to.have.length(1)
    travel(0.2 * 24 * 3600)
    // The sweep also removes the mail of the sign-in, where mail is sent.
    expect(await scene.server.core.outbox.sweep()).to.be.at.least(1)
    expect(await scene.logouts()).to.deep.equal([])
  })
})

onAnyStorage('back-channel log-out to a private address', (kind) => {
  it('is refused unless it is allowed (C11)', async () => {
    const server = await boot(kind)
    const party = await startLogoutReceiver({ issuer: server.issuer, clientId: web.client_id })
    try {
      await furnish(server)
      const inside = 'https://10.1.2.3/logout'
      for (const [client, backchannel_logout_uri] of [
        [web, party.uri],
        [shop, inside],
      ] as const) {
        await server.core.clients.declare(defaultTenant, { ...client, backchannel_logout_uri })
      }
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      await tokensFor(server, shop, {}, agent)
      await agent.submit(await agent.get(`${server.issuer}/logout`))
      const found = await eventually('both deliveries were attempted', async () => {
        const all = await server.core.logouts.list(defaultTenant, {})
        return all.filter(({ lastError }) => lastError !== undefined).length === 2 && all
      })
      const reasons = Object.fromEntries(found.map((one) => [one.clientId, one.lastError]))
      expect(reasons['web']).to.match(
        /^url_refused: expected an https URL, got http:.* ALLOW_LOOPBACK_FETCH=on allows this machine$/,
      )
      expect(reasons['shop']).to.equal(
        'address_refused: expected a public address: 10.1.2.3 is at 10.1.2.3',
      )
      expect(party.connections()).to.equal(0)
    } finally {
      await party.stop()
      await server.stop()
    }
  })
})
