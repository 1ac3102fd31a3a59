import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import {
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import { forgeries, misissued } from '../support/forgeries.ts'
import { exchange } from '../support/http-exchange.ts'
import { basic, encode, expectRefusal, introspect, post, tokensFor } from '../support/protocol.ts'
import { validityStatements } from '../support/stack.ts'
import { createUserAgent } from '../support/user-agent.ts'

const inactive = { active: false }

onAnyStorage('introspection', (kind) => {
  const server = booted(kind, {}, furnish, furnishOpaque)
  const agent = createUserAgent()

  const kinds = [
    { form: 'a JWT', resource: api, scope: 'openid orders:read email' },
    { form: 'an opaque token', resource: opaque, scope: 'openid read email' },
  ]
  for (const { form, ...asked } of kinds) {
    it(`of ${form} shows all claims to its client and its resource server (P-060, P-061, K-21)`, async () => {
      const tokens = await tokensFor(server, web, asked, agent)
      const { sub } = decodeJwt(tokens.id_token ?? '')
      for (const caller of [web, ordersApi]) {
        for (const token_type_hint of [undefined, 'access_token', 'refresh_token', 'nonsense']) {
          const claims = await introspect(server, caller, tokens.access_token, { token_type_hint })
          expect(claims).to.include({
            active: true,
            sub,
            iss: server.issuer,
            aud: asked.resource,
            client_id: web.client_id,
            scope: asked.scope.split(' ')[1],
            token_type: 'Bearer',
          })
          for (const name of ['exp', 'iat']) expect(claims[name], name).to.be.a('number')
          expect(claims['sid']).to.be.a('string')
          // An opaque token has no jti: its identifier is the token itself.
          expect('jti' in claims).to.equal(asked.resource === api)
        }
      }
    })

    it(`of ${form} tells other clients nothing (P-060)`, async () => {
      const ofWeb = await tokensFor(server, web, asked, agent)
      const ofSpa = await tokensFor(server, spa, asked, agent)
      for (const { access_token } of [ofWeb, ofSpa]) {
        expect(await introspect(server, machine, access_token)).to.deep.equal(inactive)
      }
      expect(await introspect(server, web, ofSpa.access_token)).to.deep.equal(inactive)
      expect(await introspect(server, ordersApi, ofSpa.access_token)).to.include({ active: true })
    })
  }

  it('of a JWT reads no entity table once the clients are cached (architecture §4)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[0], agent)
    const form = {
      path: '/introspect',
      body: encode({ token: access_token }),
      headers: { authorization: basic(ordersApi) },
    }
    expect(await validityStatements(server, form)).to.deep.equal([])
  })

  it('of a refresh token works for its own client only (P-060)', async () => {
    const { refresh_token } = await tokensFor(server, web, kinds[0], agent)
    expect(await introspect(server, web, refresh_token)).to.include({
      active: true,
      client_id: web.client_id,
    })
    for (const caller of [ordersApi, machine]) {
      expect(await introspect(server, caller, refresh_token)).to.deep.equal(inactive)
    }
  })

  it('of anything else returns active: false and no more (P-060, ASVS 9.2.2)', async () => {
    const { id_token, access_token } = await tokensFor(server, web, kinds[1], agent)
    const unknown = ['x', 'a.b.c', '..', 'x'.repeat(5000), '\0', 'ü', `${access_token}x`]
    for (const token of [...unknown, id_token, access_token.slice(1)]) {
      expect(await introspect(server, web, token), token).to.deep.equal(inactive)
    }
  })

  it('of forged tokens returns active: false (ASVS 9.1.1, 9.1.2, 9.1.3, C14, K-43)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[0], agent)
    for (const [what, token] of await forgeries(server, access_token)) {
      for (const caller of [web, ordersApi]) {
        expect(await introspect(server, caller, token), what).to.deep.equal(inactive)
      }
    }
    expect(await introspect(server, web, access_token)).to.include({ active: true })
  })

  it('of signed tokens with wrong claims returns active: false (ASVS 9.2.1, 9.2.2, P-056)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[0], agent)
    for (const [what, token] of await misissued(server, defaultTenant, access_token)) {
      expect(await introspect(server, web, token), what).to.deep.equal(inactive)
    }
  })

  it('requires client authentication (P-060, ASVS 10.4.10)', async () => {
    const { access_token: token } = await tokensFor(server, web, kinds[0], agent)
    const wrong = { ...web, client_secret: 'not-the-secret-of-it' }
    for (const client of [wrong, { ...wrong, client_id: 'nobody' }]) {
      expectRefusal(await post(server, '/introspect', client, { token }), 401, 'invalid_client')
    }
    const anonymous = await post(server, '/introspect', undefined, { token })
    expectRefusal(anonymous, 400, 'invalid_request')
    expect(await introspect(server, spa, token)).to.deep.equal(inactive)
  })

  it('takes one token in a POSTed form and always answers in JSON (K-25, P-005)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[0], agent)
    expectRefusal(await post(server, '/introspect', web, {}), 400, 'invalid_request')
    expectRefusal(await post(server, '/introspect', web, { token: '' }), 400, 'invalid_request')
    const twice = { token: [access_token, access_token] }
    expectRefusal(await post(server, '/introspect', web, twice), 400, 'invalid_request')
    for (const path of ['/introspect', '/revoke']) {
      const query = `?${encode({ token: access_token })}`
      const url = new URL(`${server.issuer}${path}${query}`)
      const page = await exchange({ method: 'GET', url, headers: { accept: 'text/html' } })
      expectRefusal(page, 405, 'invalid_request')
    }
  })
})
