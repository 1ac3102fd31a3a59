import { expect } from 'chai'
import {
  allowInsecureRequests,
  buildAuthorizationUrlWithPAR,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  clientCredentialsGrant,
  discovery,
  initiateBackchannelAuthentication,
  initiateDeviceAuthorization,
  ResponseBodyError,
  tokenIntrospection,
  tokenRevocation,
  WWWAuthenticateChallengeError,
} from 'openid-client'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { callback, furnish } from '../support/fixtures.ts'

/** A request to each endpoint that authenticates clients. */
const requests: Readonly<Record<string, (config: Configuration) => Promise<unknown>>> = {
  token: (config) => clientCredentialsGrant(config),
  introspection: (config) => tokenIntrospection(config, 'unknown'),
  revocation: (config) => tokenRevocation(config, 'unknown'),
  device_authorization: (config) => initiateDeviceAuthorization(config, { scope: 'openid' }),
  pushed_authorization_request: (config) =>
    buildAuthorizationUrlWithPAR(config, { redirect_uri: callback }),
  backchannel_authentication: (config) =>
    initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: 'nobody' }),
}

describe('a client that is not authenticated (P-042, ASVS 10.4.10)', () => {
  const server = booted(anyStorage, {}, furnish)

  async function refusalsOf(clientId: string, auth: ClientAuth): Promise<Map<string, Error>> {
    const refusals = new Map<string, Error>()
    const options = { execute: [allowInsecureRequests] }
    const config = await discovery(new URL(server.issuer), clientId, {}, auth, options)
    for (const [endpoint, send] of Object.entries(requests)) {
      await send(config).catch((error: Error) => refusals.set(endpoint, error))
    }
    expect([...refusals.keys()]).to.deep.equal(Object.keys(requests))
    return refusals
  }

  it('by a secret in the body finds the error there: 401 without a challenge, everywhere', async () => {
    const refusals = await refusalsOf('nobody', ClientSecretPost('a secret of nobody'))
    for (const [endpoint, error] of refusals) {
      expect(error, endpoint).to.be.instanceOf(ResponseBodyError)
      const { status, error: code, response } = error as ResponseBodyError
      expect([status, code], endpoint).to.deep.equal([401, 'invalid_client'])
      expect(response.headers.has('www-authenticate'), endpoint).to.equal(false)
    }
  })

  it('by the Authorization header is challenged, with the error (RFC 6749 §5.2)', async () => {
    const refusals = await refusalsOf('nobody', ClientSecretBasic('a secret of nobody'))
    for (const [endpoint, error] of refusals) {
      expect(error, endpoint).to.be.instanceOf(WWWAuthenticateChallengeError)
      const { status, cause } = error as WWWAuthenticateChallengeError
      expect(status, endpoint).to.equal(401)
      const [challenge] = cause
      expect(challenge?.scheme, endpoint).to.equal('basic')
      expect(challenge?.parameters, endpoint).to.include({
        realm: server.issuer,
        error: 'invalid_client',
      })
    }
  })
})
