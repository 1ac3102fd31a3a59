import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { itOnAny } from '../support/any-storage.ts'
import { booted, onEachStorage } from '../support/boot.ts'
import { allowDevice, askFor, signOut, startDevice } from '../support/devices.ts'
import { api, furnish, furnishOpaque, machine, opaque, tv, web } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import {
  expectRefusal,
  introspect,
  post,
  refresh,
  type Tokens,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** A confidential device, so that it may introspect its tokens. */
const kiosk = {
  client_id: 'kiosk',
  client_name: 'Example kiosk',
  client_secret: 'the-secret-of-the-example-kiosk',
  grant_types: tv.grant_types,
}

onEachStorage('device authorization (RFC 8628)', (kind) => {
  const test = itOnAny(kind)
  after(backToPresent)
  const server = booted(kind, {}, furnish, furnishOpaque)
  before(() => server.core.clients.declare('default', kiosk))

  const inactive = { active: false }
  const active = async (token: string | undefined) =>
    (await introspect(server, kiosk, token))['active']

  async function allowed(fields?: Record<string, string>): Promise<{ device_code: string }> {
    const device = await startDevice(server, fields, kiosk)
    await allowDevice(server, device)
    return device
  }

  test('returns what §3.2 requires: two codes, two URIs, lifetime and interval', async () => {
    const device = await startDevice(server)
    expect(device).to.deep.equal({
      device_code: device.device_code,
      user_code: device.user_code,
      verification_uri: `${server.issuer}/device`,
      verification_uri_complete: `${server.issuer}/device?user_code=${device.user_code}`,
      expires_in: 600,
      interval: 5,
    })
    expect(device.device_code).to.match(/^[\w-]{65}$/)
    expect(device.user_code).to.match(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  })

  it('issues tokens once the user allows the request, and refresh tokens rotate as usual (P-033)', async () => {
    const device = await startDevice(server)
    expectRefusal(await askFor(server, device), 400, 'authorization_pending')
    await allowDevice(server, device)
    const tokens = tokensIn(await askFor(server, device))
    const { auth_time, amr, fid, sub } = decodeJwt(tokens.access_token)
    expect({ auth_time: typeof auth_time, amr, fid: typeof fid }).to.deep.equal({
      ...{ auth_time: 'number', amr: ['pwd'], fid: 'string' },
    })
    expect(decodeJwt(tokens.id_token as string)).to.include({ sub, aud: tv.client_id })
    expect((await userinfo(server, tokens.access_token)).status).to.equal(200)
    const second = tokensIn(await refresh(server, tv, tokens))
    expect(second.refresh_token).not.to.equal(tokens.refresh_token)
  })

  test('grants the registered scope, or openid, when no scope is requested (K-01)', async () => {
    const device = await startDevice(server, {})
    await allowDevice(server, device)
    expect(tokensIn(await askFor(server, device)).scope).to.equal('openid')
    const registered = { ...tv, client_id: 'tv-2', scope: 'openid orders:read offline_access' }
    await server.core.clients.declare('default', registered)
    const other = await startDevice(server, { resource: api }, registered)
    await allowDevice(server, other)
    expect(tokensIn(await askFor(server, other, registered)).scope).to.equal('orders:read')
  })

  test('ends tokens without offline_access with the session, and keeps those with it', async () => {
    const [bound, free] = [
      await startDevice(server, { scope: 'openid' }, kiosk),
      await startDevice(server, { scope: 'openid offline_access' }),
    ]
    const agent = await allowDevice(server, bound)
    await allowDevice(server, free, agent)
    const ends = tokensIn(await askFor(server, bound, kiosk))
    const stays = tokensIn(await askFor(server, free))
    await signOut(server, agent)
    expectRefusal(await refresh(server, kiosk, ends), 400, 'invalid_grant')
    tokensIn(await refresh(server, tv, stays))
  })

  test('shows the device in the list of families', async () => {
    const named = { ...tv, client_id: 'tv-named' }
    await server.core.clients.declare('default', named)
    const device = await startDevice(server, { scope: 'openid offline_access' }, named)
    await allowDevice(server, device)
    const agent = 'Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 TV Safari/537.36'
    tokensIn(await askFor(server, device, named, { 'user-agent': agent }))
    const [family] = await server.core.families.list('default', { clientId: named.client_id })
    expect(family?.device).to.equal('Safari on Samsung TV')
    expect(family?.endsWithSession).to.equal(false)
  })

  describe('polling', () => {
    test('keeps answering access_denied after the user denied', async () => {
      const device = await startDevice(server)
      const agent = createUserAgent()
      const form = await agent.get(device.verification_uri_complete)
      const confirm = await agent.follow(await agent.submit(form))
      await agent.submit(confirm, { button: '#deny' })
      for (let time = 0; time < 3; time += 1) {
        expectRefusal(await askFor(server, device), 400, 'access_denied')
      }
    })

    it('is refused to other clients, without effect for the owner (P-017)', async () => {
      const device = await startDevice(server)
      expectRefusal(await askFor(server, device, kiosk), 400, 'invalid_grant')
      await allowDevice(server, device)
      expectRefusal(await askFor(server, device, kiosk), 400, 'invalid_grant')
      tokensIn(await askFor(server, device))
      expectRefusal(await askFor(server, device, kiosk), 400, 'invalid_grant')
    })
  })

  describe('an allowed code', () => {
    it('is redeemed once by concurrent requests, and the reuse revokes its tokens (C26)', async () => {
      const device = await allowed({ scope: 'openid offline_access' })
      const pages = await Promise.all(
        Array.from({ length: 20 }, () => askFor(server, device, kiosk)),
      )
      const won = pages.filter(({ status }) => status === 200)
      expect(won).to.have.length(1)
      expect(pages.filter(({ status }) => status === 400)).to.have.length(19)
      const tokens = won[0]?.json() as Tokens
      expect(await active(tokens.access_token)).to.equal(false)
      expectRefusal(await refresh(server, kiosk, tokens), 400, 'invalid_grant')
    })

    it('is not used up by a failed check: the correct request still succeeds (P-017)', async () => {
      const device = await allowed()
      const wrong = { ...{ grant_type: kiosk.grant_types[0] }, ...device, resource: api }
      expectRefusal(await post(server, '/token', kiosk, wrong), 400, 'invalid_target')
      tokensIn(await askFor(server, device, kiosk))
    })

    it('expires when Redis, or its embedded replacement, loses it: never granted, never pending for good', async () => {
      const device = await allowed()
      await forgetShortLived(server.core, server.env)
      expectRefusal(await askFor(server, device, kiosk), 400, 'expired_token')
    })
  })

  describe('refusals at /device_authorization', () => {
    test('are those of RFC 6749 §5.2 (ASVS 10.4.10, 10.4.11, P-042)', async () => {
      const ask = (client: Parameters<typeof post>[2], fields: Record<string, string>) =>
        post(server, '/device_authorization', client, fields)
      expectRefusal(await ask(web, { scope: 'openid' }), 400, 'unauthorized_client')
      expectRefusal(await ask(machine, { scope: 'orders:read' }), 400, 'unauthorized_client')
      expectRefusal(await ask(undefined, { scope: 'openid' }), 400, 'invalid_request')
      expectRefusal(await ask({ client_id: 'nobody' }, {}), 401, 'invalid_client')
      expectRefusal(await ask({ client_id: kiosk.client_id }, {}), 401, 'invalid_client')
      const limited = { ...tv, client_id: 'tv-3', scope: 'openid' }
      await server.core.clients.declare('default', limited)
      const wide = { scope: 'openid orders:read', resource: api }
      expectRefusal(await ask(limited, wide), 400, 'invalid_scope')
      expectRefusal(await ask(tv, { resource: 'https://nowhere.example' }), 400, 'invalid_target')
      const get = await createUserAgent().get(`${server.issuer}/device_authorization`)
      expect(get.status).to.equal(405)
    })

    test('apply to disabled clients and to their pending codes', async () => {
      const off = { ...tv, client_id: 'tv-off' }
      await server.core.clients.declare('default', off)
      const device = await startDevice(server, { scope: 'openid' }, off)
      await server.core.revocations.setClientDisabled('default', off.client_id, true)
      expectRefusal(await askFor(server, device, off), 401, 'invalid_client')
      expectRefusal(await post(server, '/device_authorization', off, {}), 401, 'invalid_client')
    })
  })

  /** These come last, because the server's clock does not go back. */
  describe('over time', () => {
    it('answers slow_down to early polls, adding five seconds each time, and authorization_pending otherwise (§3.5)', async () => {
      const device = await startDevice(server)
      const wait = async (seconds: number, answer: string) => {
        travel(seconds)
        expectRefusal(await askFor(server, device), 400, answer)
      }
      await wait(0, 'authorization_pending')
      await wait(4, 'slow_down')
      await wait(6, 'slow_down')
      await wait(15, 'authorization_pending')
      await wait(14, 'slow_down')
      await wait(20, 'authorization_pending')
      travel(1)
      await allowDevice(server, device)
      tokensIn(await askFor(server, device))
    })

    it('answers expired_token after expiry, also much later, and invalid_grant to unknown codes', async () => {
      const device = await startDevice(server)
      travel(601)
      expectRefusal(await askFor(server, device), 400, 'expired_token')
      travel(3600)
      expectRefusal(await askFor(server, device), 400, 'expired_token')
      for (const device_code of [
        'x',
        'y'.repeat(65),
        device.device_code.slice(0, -1),
        'ÿ'.repeat(65),
      ]) {
        expectRefusal(await askFor(server, { device_code }), 400, 'invalid_grant')
      }
    })

    for (const resource of [undefined, opaque]) {
      const define = resource ? test : it
      define(
        `used again ends what it issued: refresh token and ${resource ? 'opaque' : 'JWT'} access token (P-045)`,
        async () => {
          const scope = resource ? 'openid read offline_access' : 'openid offline_access'
          const device = await allowed({ scope, ...(resource ? { resource } : {}) })
          const first = tokensIn(await askFor(server, device, kiosk))
          const second = tokensIn(await refresh(server, kiosk, first))
          for (const token of [first.access_token, second.access_token, second.refresh_token]) {
            expect(await active(token)).to.equal(true)
          }
          travel(590)
          expectRefusal(await askFor(server, device, kiosk), 400, 'invalid_grant')
          travel(-590)
          for (const token of [first.access_token, second.access_token, second.refresh_token]) {
            expect(await introspect(server, kiosk, token)).to.deep.equal(inactive)
          }
          expectRefusal(await refresh(server, kiosk, second), 400, 'invalid_grant')
        },
      )
    }
  })
})
