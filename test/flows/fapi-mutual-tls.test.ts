import { expect } from 'chai'
import { decodeJwt } from 'jose'
import {
  authorizationCodeGrant,
  buildAuthorizationUrlWithPAR,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  refreshTokenGrant,
  TlsClientAuth,
} from 'openid-client'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { bootMutual, fetchShowing, type MutualServer } from '../support/mutual.ts'
import { verifier } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('a FAPI 2.0 client with a certificate', (kind) => {
  let server: MutualServer
  const callback = 'http://127.0.0.1:9/callback'
  before(async () => {
    server = await bootMutual(kind)
    await furnish(server)
  })
  after(() => server?.stop())

  it('pushes its request, gets bound tokens and keeps its refresh token (P-032, P-049, P-055, 5.3.2.1-5, -6)', async () => {
    const identity = await server.authority.issue('CN=anything', {
      names: [{ type: 'dns', value: 'bank.example.com' }],
    })
    await server.core.clients.declare(defaultTenant, {
      client_id: 'bank',
      fapi: '2.0',
      application_type: 'native',
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'bank.example.com',
      tls_client_certificate_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
    })
    const fetch = fetchShowing(identity)
    const config = await discovery(
      new URL(server.issuer),
      'bank',
      { use_mtls_endpoint_aliases: true, id_token_signed_response_alg: 'ES256' },
      TlsClientAuth(),
      { [customFetch]: fetch },
    )
    config[customFetch] = fetch
    const url = await buildAuthorizationUrlWithPAR(config, {
      redirect_uri: callback,
      scope: 'openid offline_access',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: 'a-state',
    })
    const { email, password } = alice
    const returned = await createUserAgent().walk(url, { username: email, password })
    const checks = { pkceCodeVerifier: verifier, expectedState: 'a-state' }
    const tokens = await authorizationCodeGrant(config, returned, checks)
    expect(decodeJwt(tokens.access_token)['cnf']).to.have.property('x5t#S256')
    const next = await refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(next.refresh_token ?? tokens.refresh_token).to.equal(tokens.refresh_token)
  })
})
