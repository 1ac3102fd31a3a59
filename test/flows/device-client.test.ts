import { expect } from 'chai'
import {
  type DeviceAuthorizationResponse,
  getDPoPHandle,
  initiateDeviceAuthorization,
  pollDeviceAuthorizationGrant,
  randomDPoPKeyPair,
} from 'openid-client'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { allowDevice, enterCode, outcomeOf } from '../support/devices.ts'
import { callback, furnish, tv } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('openid-client as a device (K-44)', (kind) => {
  const server = booted(kind, {}, furnish)
  const parties: Record<string, RelyingParty> = {}
  before(async () => {
    const clientSecret = 'the-secret-of-the-example-kiosk'
    const kiosk = { ...tv, client_id: 'kiosk', token_endpoint_auth_method: 'client_secret_basic' }
    await server.core.clients.declare('default', { ...kiosk, client_secret: clientSecret })
    for (const options of [{ clientId: tv.client_id }, { clientId: 'kiosk', clientSecret }]) {
      const base = { issuer: server.issuer, redirectUri: callback }
      parties[options.clientId] = await createRelyingParty({ ...base, ...options })
    }
  })

  const partyOf = (clientId: string) => parties[clientId] as RelyingParty
  /** Overrides the polling interval, so that the test need not wait. */
  const withoutInterval = (device: DeviceAuthorizationResponse) => ({ ...device, interval: 0 })

  for (const clientId of ['tv', 'kiosk']) {
    it(`${clientId} discovers the endpoint, gets its tokens and refreshes`, async () => {
      const { config, refresh, userinfo } = partyOf(clientId)
      const scope = 'openid email offline_access'
      const device = await initiateDeviceAuthorization(config, { scope })
      expect(device.interval).to.equal(5)
      const agent = createUserAgent()
      await enterCode(server, agent, device.user_code)
      await allowDevice(server, device, agent)
      const tokens = await pollDeviceAuthorizationGrant(config, withoutInterval(device))
      const subject = tokens.claims()?.sub as string
      expect((await userinfo(tokens.access_token, subject)).email).to.equal('alice@example.com')
      const next = await refresh(tokens.refresh_token as string)
      expect(next.refresh_token).to.be.a('string')
    })
  }

  it('gets access_denied when the user denies, and expired_token when the code is lost', async () => {
    const { config } = partyOf('tv')
    const denied = await initiateDeviceAuthorization(config, { scope: 'openid' })
    const agent = createUserAgent()
    const confirm = await enterCode(server, agent, denied.user_code)
    const end = await agent.follow(await agent.submit(confirm, { button: '#deny' }))
    expect(outcomeOf(end)).to.equal('denied')
    const errorOf = (device: DeviceAuthorizationResponse) =>
      pollDeviceAuthorizationGrant(config, withoutInterval(device)).then(
        () => 'tokens',
        ({ error }: { error?: string }) => error,
      )
    expect(await errorOf(denied)).to.equal('access_denied')
    const lost = await initiateDeviceAuthorization(config, { scope: 'openid' })
    await forgetShortLived(server.core, server.env)
    expect(await errorOf(lost)).to.equal('expired_token')
  })

  it('gets DPoP-bound tokens (RFC 9449)', async () => {
    const { config } = partyOf('tv')
    const device = await initiateDeviceAuthorization(config, { scope: 'openid offline_access' })
    await allowDevice(server, device)
    const DPoP = getDPoPHandle(config, await randomDPoPKeyPair('ES256'))
    const tokens = await pollDeviceAuthorizationGrant(config, withoutInterval(device), {}, { DPoP })
    expect(tokens.token_type).to.equal('dpop')
  })
})
