import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { callback, furnish, spa, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  challengeOf,
  codeFor,
  expectRefusal,
  expectReturned,
  type Fields,
  redeem,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** A confidential client that cannot do PKCE. */
const old = {
  ...web,
  client_id: 'old',
  client_secret: 'the-secret-of-an-old-client',
  require_pkce: false,
}
const withoutChallenge = { code_challenge: undefined, code_challenge_method: undefined }

onAnyStorage('PKCE', (kind) => {
  const server = booted(kind, {}, furnish)
  before(() => server.core.clients.declare(defaultTenant, old))

  const ask = (client: { client_id: string }, fields: Fields) =>
    createUserAgent().get(authorizeUrl(server, client, fields))

  for (const client of [spa, web]) {
    it(`is required of ${client.client_id} (P-007, ASVS 10.4.6)`, async () => {
      expectReturned(await ask(client, withoutChallenge), 'invalid_request')
      expectReturned(await ask(client, { code_challenge: '' }), 'invalid_request')
    })

    it(`must be S256 for ${client.client_id}: plain, other methods and no method are refused (P-009)`, async () => {
      for (const method of ['plain', 's256', 'S512', '', undefined]) {
        const page = await ask(client, { code_challenge: verifier, code_challenge_method: method })
        expectReturned(page, 'invalid_request')
      }
    })

    it(`accepts only the verifier of the challenge from ${client.client_id} (P-008, ASVS 10.4.6)`, async () => {
      const wrong = [
        'x'.repeat(43),
        verifier.slice(0, 42),
        `${verifier}x`,
        verifier.toUpperCase(),
        challengeOf(verifier),
        'x'.repeat(129),
        `${verifier.slice(1)} `,
        `${verifier.slice(1)}ü`,
        '',
        undefined,
      ]
      for (const code_verifier of wrong) {
        const code = await codeFor(server, client, {}, agent)
        const page = await redeem(server, client, code, { code_verifier })
        expect(page.status, `${code_verifier}`).to.equal(400)
        expect((page.json() as { error: string }).error).to.be.oneOf([
          'invalid_grant',
          'invalid_request',
        ])
      }
    })
  }

  const agent = createUserAgent()

  it('accepts verifiers of 43 and 128 characters from the whole alphabet (K-05)', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'
    for (const code_verifier of [alphabet.slice(-43), (alphabet + alphabet).slice(0, 128)]) {
      const code = await codeFor(server, spa, { code_challenge: challengeOf(code_verifier) }, agent)
      tokensIn(await redeem(server, spa, code, { code_verifier }))
    }
  })

  it('refuses challenges that cannot be a SHA-256 hash', async () => {
    for (const code_challenge of ['short', 'x'.repeat(129), `${'x'.repeat(42)}!`]) {
      expectReturned(await ask(spa, { code_challenge }), 'invalid_request')
    }
  })

  it('is not required of an exempted confidential client, which must send a nonce instead (K-04)', async () => {
    expectReturned(await ask(old, { ...withoutChallenge, nonce: undefined }), 'invalid_request')
    const code = await codeFor(server, old, withoutChallenge, agent)
    const tokens = tokensIn(await redeem(server, old, code, { code_verifier: undefined }))
    expect(tokens.id_token).to.be.a('string')
  })

  it('refuses a verifier without a challenge, and a downgrade (P-008)', async () => {
    const unchallenged = await codeFor(server, old, withoutChallenge, agent)
    expectRefusal(await redeem(server, old, unchallenged), 400, 'invalid_grant')
    const challenged = await codeFor(server, old, {}, agent)
    const without = await redeem(server, old, challenged, { code_verifier: undefined })
    expectRefusal(without, 400, 'invalid_grant')
  })

  it('cannot be waived for a public client (K-04)', async () => {
    const declared = server.core.clients.declare(defaultTenant, {
      client_id: 'careless',
      redirect_uris: [callback],
      token_endpoint_auth_method: 'none',
      require_pkce: false,
    })
    const error = await declared.then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    expect(error).to.include({ code: 'client_invalid' })
  })

  it('is advertised in both metadata documents (P-010)', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const page = await agent.get(`${server.issuer}/.well-known/${name}`)
      expect(page.json()).to.deep.include({ code_challenge_methods_supported: ['S256'] })
    }
  })
})
