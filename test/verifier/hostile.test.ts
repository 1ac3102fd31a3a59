import { createVerifier, TokenRefused, type Verifier } from '@keyturn/verifier'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { api, furnish, ordersApi, web } from '../support/fixtures.ts'
import { introspect, post, tokensFor } from '../support/protocol.ts'
import { createForger, type Forger, foreignTokens, hostileTokens } from './hostile-tokens.ts'

describe('hostile tokens (C14, ASVS 9.1.1, 9.1.2, 9.1.3, 9.2.1, 9.2.2)', () => {
  let server: TestServer
  let verifier: Verifier
  let forger: Forger
  let access: string

  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    verifier = createVerifier({
      issuer: server.issuer,
      audience: api,
      tenant: defaultTenant,
      jwks: { whenUnreachable: 'refuse' },
    })
    const { access_token: token, id_token } = await tokensFor(server, web, {
      scope: 'openid orders:read',
      resource: api,
    })
    access = token
    forger = await createForger(server, defaultTenant, { token, idToken: id_token ?? '' })
  })
  after(async () => {
    verifier?.close()
    await server?.stop()
  })

  const refusal = (token: string) =>
    verifier.verify(token).then(
      () => 'accepted',
      (error: unknown) => (error instanceof TokenRefused ? error.code : String(error)),
    )

  it('the original token is accepted, and so is one that the forger issues', async () => {
    expect(await refusal(access)).to.equal('accepted')
    const issued = forger.issue(forger.header, forger.claims)
    expect(await refusal(issued)).to.equal('accepted')
    expect(await introspect(server, ordersApi, issued)).to.include({ active: true })
    const listed = forger.issue(forger.header, { ...forger.claims, aud: [api] })
    expect(await refusal(listed)).to.equal('accepted')
  })

  it(`all ${hostileTokens.length} are refused by the verifier as invalid_token`, async () => {
    for (const [what, make] of hostileTokens) {
      expect(await refusal(await make(forger)), what).to.equal('invalid_token')
    }
  })

  it('all of them are refused by introspection: inactive, or a client error', async () => {
    for (const [what, make] of hostileTokens) {
      const token = await make(forger)
      const page = await post(server, '/introspect', ordersApi, { token })
      if (page.status !== 200) expect(page.status, what).to.be.within(400, 499)
      else expect(page.json(), what).to.deep.equal({ active: false })
    }
  })

  it(`${foreignTokens.length} more, for other audiences or with duplicate members, are refused by the verifier`, async () => {
    for (const [what, make] of foreignTokens) {
      expect(await refusal(await make(forger)), what).to.equal('invalid_token')
    }
  })

  it('unknown key ids cause at most one request for the key set', async () => {
    const before = verifier.status().requests
    const kids = Array.from({ length: 50 }, (_, i) => `made-up-${i}`)
    const tokens = await Promise.all(kids.map((kid) => forger.forge({ kid })))
    await Promise.all(tokens.map(refusal))
    expect(verifier.status().requests - before).to.be.at.most(1)
  })
})
