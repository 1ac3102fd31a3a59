import { expect } from 'chai'
import { decodeJwt } from 'jose'
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  fetchUserInfo,
  getDPoPHandle,
  randomDPoPKeyPair,
  refreshTokenGrant,
  TlsClientAuth,
  tokenIntrospection,
  tokenRevocation,
} from 'openid-client'
import { onAnyStorage } from '../support/any-storage.ts'
import type { Identity } from '../support/certificates.ts'
import { alice, callback, furnish } from '../support/fixtures.ts'
import { bootMutual, fetchShowing, type MutualServer } from '../support/mutual.ts'
import { verifier } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('openid-client with a certificate (RFC 8705, K-40)', (kind) => {
  let server: MutualServer
  let identity: Identity
  const registered = {
    client_id: 'certified',
    redirect_uris: [callback],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_dns: 'certified.example.com',
  }
  before(async () => {
    server = await bootMutual(kind)
    await furnish(server)
    identity = await server.authority.issue('CN=anything', {
      names: [{ type: 'dns', value: 'certified.example.com' }],
    })
  })
  after(() => server?.stop())

  async function certified(members: object) {
    await server.core.clients.declare('default', { ...registered, ...members })
    const fetch = fetchShowing(identity)
    const config = await discovery(
      new URL(server.issuer),
      registered.client_id,
      { use_mtls_endpoint_aliases: true },
      TlsClientAuth(),
      { [customFetch]: fetch },
    )
    config[customFetch] = fetch
    const url = buildAuthorizationUrl(config, {
      redirect_uri: callback,
      scope: 'openid offline_access',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: 'a-state',
    })
    expect(url.origin, 'users go to the ordinary port').to.equal(new URL(server.issuer).origin)
    const { email, password } = alice
    const returned = await createUserAgent().walk(url, { username: email, password })
    return { config, returned, checks: { pkceCodeVerifier: verifier, expectedState: 'a-state' } }
  }

  it('finds the endpoint aliases: code, refresh, userinfo, introspection, revocation', async () => {
    const { config, returned, checks } = await certified({
      tls_client_certificate_bound_access_tokens: true,
    })
    const first = await authorizationCodeGrant(config, returned, checks)
    const { sub = '' } = first.claims() ?? {}
    expect(decodeJwt(first.access_token)['cnf']).to.have.property('x5t#S256')
    const second = await refreshTokenGrant(config, first.refresh_token ?? '')
    expect(await fetchUserInfo(config, second.access_token, sub)).to.include({ sub })
    const answer = await tokenIntrospection(config, second.access_token)
    expect(answer.cnf).to.deep.equal(decodeJwt(second.access_token)['cnf'])
    await tokenRevocation(config, second.refresh_token ?? '')
    expect(await tokenIntrospection(config, second.access_token)).to.include({ active: false })
  })

  it('authenticates by certificate and binds tokens by DPoP, with proofs for the alias it calls', async () => {
    const { config, returned, checks } = await certified({ dpop_bound_access_tokens: true })
    const DPoP = getDPoPHandle(config, await randomDPoPKeyPair('ES256'))
    const first = await authorizationCodeGrant(config, returned, checks, undefined, { DPoP })
    expect(first.token_type).to.equal('dpop')
    const second = await refreshTokenGrant(config, first.refresh_token ?? '', undefined, { DPoP })
    const { sub = '' } = first.claims() ?? {}
    expect(await fetchUserInfo(config, second.access_token, sub, { DPoP })).to.include({ sub })
  })
})
