import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import {
  type BackchannelAuthenticationResponse,
  getDPoPHandle,
  initiateBackchannelAuthentication,
  PrivateKeyJwt,
  pollBackchannelAuthenticationGrant,
  randomDPoPKeyPair,
} from 'openid-client'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { answerRequest, askPerson, bank, openRequest, outcomeOf } from '../support/ciba.ts'
import { alice, callback, furnish } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { type PingReceiver, startPingReceiver } from '../support/ping-receiver.ts'
import { expectRefusal } from '../support/protocol.ts'
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

onAnyStorage(
  'openid-client as a CIBA client, in both delivery modes (OpenID CIBA Core 1.0)',
  (kind) => {
    let server: TestServer
    let receiver: PingReceiver
    let agent: UserAgent
    let fapiKeys: Awaited<ReturnType<typeof generateKeyPair>>
    const parties: Record<string, RelyingParty> = {}
    const fapi = {
      ...{ client_id: 'fapi-bank', client_name: 'Example bank', grant_types: bank.grant_types },
      ...{ fapi: '2.0', token_endpoint_auth_method: 'private_key_jwt' },
      ...{ dpop_bound_access_tokens: true, id_token_signed_response_alg: 'ES256' },
      backchannel_token_delivery_mode: 'poll',
      backchannel_authentication_request_signing_alg: 'ES256',
    }

    before(async () => {
      server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
      await furnish(server)
      receiver = await startPingReceiver()
      fapiKeys = await generateKeyPair('ES256', { extractable: true })
      const jwk = { ...(await exportJWK(fapiKeys.publicKey)), kid: 'k', alg: 'ES256' }
      const { client_secret: clientSecret } = bank
      remember(clientSecret)
      for (const client of [
        bank,
        {
          ...{ ...bank, client_id: 'teller', backchannel_token_delivery_mode: 'ping' },
          backchannel_client_notification_endpoint: receiver.uri,
        },
        { ...fapi, jwks: { keys: [jwk] } },
      ]) {
        await server.core.clients.declare('default', client)
      }
      const { issuer } = server
      for (const clientId of ['bank', 'teller']) {
        const base = { issuer, clientId, clientSecret, redirectUri: callback }
        parties[clientId] = await createRelyingParty(base)
      }
      parties[fapi.client_id] = await createRelyingParty({
        ...{ issuer, clientId: fapi.client_id, redirectUri: callback },
        auth: PrivateKeyJwt({ key: fapiKeys.privateKey, kid: 'k' }),
        metadata: { id_token_signed_response_alg: 'ES256' },
      })
      agent = createUserAgent()
    })
    after(async () => {
      await receiver?.stop()
      await server?.stop()
    })

    const partyOf = (clientId: string) => parties[clientId] as RelyingParty
    /** Overrides the polling interval, so that the test need not wait. */
    const withoutInterval = (request: BackchannelAuthenticationResponse) => ({
      ...request,
      interval: 0,
    })
    const ofAlice = { scope: 'openid email offline_access', login_hint: alice.email }

    it('poll: discovers the endpoint, starts a request, gets tokens and refreshes them', async () => {
      const { config, refresh, userinfo } = partyOf('bank')
      const parameters = { ...ofAlice, binding_message: 'W4SCT' }
      const request = await initiateBackchannelAuthentication(config, parameters)
      expect(request).to.include({ interval: 5, expires_in: 600 })
      await answerRequest(server, '#allow', agent)
      const tokens = await pollBackchannelAuthenticationGrant(config, withoutInterval(request))
      const subject = tokens.claims()?.sub as string
      expect((await userinfo(tokens.access_token, subject)).email).to.equal(alice.email)
      expect((await refresh(tokens.refresh_token as string)).refresh_token).to.be.a('string')
    })

    it('ping: gets tokens after the notification', async () => {
      const { config } = partyOf('teller')
      const client_notification_token = 'a-token-of-the-library'
      const parameters = { ...ofAlice, client_notification_token }
      const request = await initiateBackchannelAuthentication(config, parameters)
      await answerRequest(server, '#allow', agent)
      const [ping] = await receiver.waitForPings(1)
      expect(ping?.authorization).to.equal(`Bearer ${client_notification_token}`)
      const told = ping?.body as { auth_req_id: string }
      expect(told.auth_req_id).to.equal(request.auth_req_id)
      const result = await pollBackchannelAuthenticationGrant(config, withoutInterval(request))
      expect(result.claims()?.sub).to.be.a('string')
    })

    it('gets access_denied when the user denies, and expired_token when the request is lost', async () => {
      const { config } = partyOf('bank')
      const errorOf = (request: BackchannelAuthenticationResponse) =>
        pollBackchannelAuthenticationGrant(config, withoutInterval(request)).then(
          () => 'tokens',
          ({ error }: { error?: string }) => error,
        )
      const denied = await initiateBackchannelAuthentication(config, ofAlice)
      expect(
        outcomeOf(await agent.submit(await openRequest(server, agent), { button: '#deny' })),
      ).to.equal('denied')
      expect(await errorOf(denied)).to.equal('access_denied')
      const lost = await initiateBackchannelAuthentication(config, ofAlice)
      await forgetShortLived(server.core, server.env)
      expect(await errorOf(lost)).to.equal('expired_token')
    })

    it('gets DPoP-bound tokens (RFC 9449)', async () => {
      const { config } = partyOf('bank')
      const request = await initiateBackchannelAuthentication(config, ofAlice)
      await answerRequest(server, '#allow', agent)
      const DPoP = getDPoPHandle(config, await randomDPoPKeyPair('ES256'))
      const tokens = await pollBackchannelAuthenticationGrant(
        config,
        withoutInterval(request),
        {},
        { DPoP },
      )
      expect(tokens.token_type).to.equal('dpop')
    })

    describe('a FAPI client (FAPI-CIBA 5.2.2)', () => {
      const sign = (claims: Record<string, unknown>) =>
        new SignJWT({
          ...{ ...ofAlice, binding_message: 'W4SCT', client_id: fapi.client_id },
          ...{ iss: fapi.client_id, aud: server.issuer, jti: crypto.randomUUID() },
          ...claims,
        })
          .setProtectedHeader({ alg: 'ES256', kid: 'k' })
          .sign(fapiKeys.privateKey)
      const now = () => Math.floor(Date.now() / 1000)
      const times = () => ({ iat: now(), nbf: now(), exp: now() + 60 })

      it('sends signed requests, gets bound tokens, and keeps its refresh token', async () => {
        const { config } = partyOf(fapi.client_id)
        const signed = await sign(times())
        const request = await initiateBackchannelAuthentication(config, { request: signed })
        const page = await openRequest(server, agent)
        expect(page.root.querySelector('#binding-message')?.textContent).to.equal('W4SCT')
        await answerRequest(server, '#allow', agent)
        const DPoP = getDPoPHandle(config, await randomDPoPKeyPair('ES256'))
        const tokens = await pollBackchannelAuthenticationGrant(
          ...([config, withoutInterval(request), {}, { DPoP }] as const),
        )
        expect(tokens.token_type).to.equal('dpop')
        const { refresh } = partyOf(fapi.client_id)
        const next = await refresh(tokens.refresh_token as string, {}, { DPoP })
        expect(next.refresh_token ?? tokens.refresh_token).to.equal(tokens.refresh_token)
      })

      it('is refused requests that are unsigned, or lack a claim or the binding message (CIBA §7.1.1)', async () => {
        const { config } = partyOf(fapi.client_id)
        const refusalOf = (parameters: Record<string, string>) =>
          initiateBackchannelAuthentication(config, parameters).then(
            () => 'acknowledged',
            ({ error }: { error?: string }) => error,
          )
        expect(await refusalOf({ ...ofAlice, binding_message: 'W4SCT' })).to.equal(
          'invalid_request',
        )
        for (const left of ['iat', 'nbf', 'exp', 'jti', 'aud', 'iss', 'binding_message']) {
          const request = await sign({ ...times(), [left]: undefined })
          expect(await refusalOf({ request }), left).to.equal('invalid_request')
        }
      })
    })

    it('is refused a request signed with another key, even if it need not be signed', async () => {
      const stranger = await generateKeyPair('ES256')
      const request = await new SignJWT({ ...ofAlice, jti: 'x' })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(bank.client_id)
        .setAudience(server.issuer)
        .setIssuedAt()
        .setNotBefore('0s')
        .setExpirationTime('1m')
        .sign(stranger.privateKey)
      const page = await askPerson(server, { scope: undefined, login_hint: undefined, request })
      expectRefusal(page, 400, 'invalid_request')
    })
  },
)
