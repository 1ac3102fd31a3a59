import { expect } from 'chai'
import { isDomainError } from '../../src/errors.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, machine, spa } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { authorizeUrl, expectErrorPage, expectRefusal, post } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const bound = { tls_client_certificate_bound_access_tokens: true }

onAnyStorage('an installation without mutual TLS (P-055)', (kind) => {
  const server = booted(kind, {}, furnish)

  it('does not advertise it', async () => {
    const url = new URL(`${server.issuer}/.well-known/openid-configuration`)
    const metadata = (await exchange({ method: 'GET', url, headers: {} })).json()
    expect(metadata)
      .to.have.property('token_endpoint_auth_methods_supported')
      .that.not.includes.members(['tls_client_auth'])
    expect(metadata).not.to.have.any.keys(
      'tls_client_certificate_bound_access_tokens',
      'mtls_endpoint_aliases',
    )
  })

  for (const [what, members, fault] of [
    ['bound tokens', bound, 'tls_client_certificate_bound_access_tokens: needs MTLS_PORT'],
    [
      'tls_client_auth',
      {
        client_secret: undefined,
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_san_dns: 'a.example',
      },
      'token_endpoint_auth_method: tls_client_auth needs MTLS_PORT or MTLS_CERTIFICATE_HEADER, and MTLS_CA_FILE',
    ],
  ] as const) {
    it(`refuses clients with ${what}`, async () => {
      const refused = await server.core.clients
        .declare('default', { ...machine, client_id: 'new', ...members })
        .catch((error: unknown) => error)
      expect(isDomainError(refused, 'client_invalid')).to.equal(true)
      const { faults } = (refused as { detail: { faults: string[] } }).detail
      expect(faults.join()).to.include(fault)
    })
  }

  it('issues no unbound tokens to a client that was registered for bound ones', async () => {
    for (const { client_id } of [machine, spa]) {
      await server.core.database.execute(
        'update clients set metadata = metadata || $2::jsonb where client_id = $1',
        [client_id, JSON.stringify(bound)],
      )
    }
    const page = await post(server, '/token', machine, { grant_type: 'client_credentials' })
    expectRefusal(page, 400, 'invalid_client')
    expectErrorPage(await createUserAgent().get(authorizeUrl(server, spa)))
    expect(server.logged()).to.include('stored client is not valid').and.include('needs MTLS_PORT')
  })
})
