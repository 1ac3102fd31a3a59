import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import {
  alice,
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  spa,
  web,
} from '../support/fixtures.ts'
import { forgeries } from '../support/forgeries.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  encode,
  expectRefusal,
  post,
  refresh,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('access tokens and userinfo', (kind) => {
  const server = booted(kind, {}, furnish, furnishOpaque)
  const agent = createUserAgent()
  const all = { scope: 'openid profile email' }

  function expectInvalidToken(page: Page) {
    expect(page.status, page.body).to.equal(401)
    expect(page.headers.get('www-authenticate')).to.match(/^Bearer .*error="invalid_token"/)
    expect(page.body).not.to.include('@example.com')
  }

  it('an access token has the claims of RFC 9068 (P-056, ASVS 9.2.2)', async () => {
    const { access_token } = await tokensFor(server, web, all, agent)
    expect(decodeProtectedHeader(access_token)).to.include({ typ: 'at+jwt', alg: 'ES256' })
    expect(decodeProtectedHeader(access_token).kid).to.be.a('string')
    const claims = decodeJwt(access_token)
    expect(claims).to.include({ iss: server.issuer, aud: server.issuer, client_id: web.client_id })
    for (const name of ['sub', 'jti', 'sid', 'tenant_id'])
      expect(claims[name], name).to.be.a('string')
    for (const name of ['iat', 'exp', 'auth_time']) expect(claims[name], name).to.be.a('number')
    expect(claims['amr']).to.deep.equal(['pwd'])
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).to.equal(600)
    expect(access_token).not.to.include('email_verified')
    expect(claims).not.to.have.any.keys('email', 'name')
  })

  it('an ID token has the claims of OpenID Connect (P-057)', async () => {
    const { id_token = '', access_token } = await tokensFor(server, web, all, agent)
    expect(decodeProtectedHeader(id_token)).to.include({ alg: 'RS256' })
    const claims = decodeJwt(id_token)
    expect(claims).to.include({ iss: server.issuer, aud: web.client_id, nonce: 'the-nonce' })
    expect(claims.sub)
      .to.match(/^[\x21-\x7E]{1,255}$/)
      .and.equal(decodeJwt(access_token).sub)
    for (const name of ['iat', 'exp', 'auth_time']) expect(claims[name], name).to.be.a('number')
  })

  it('userinfo answers GET and POST, always with sub (P-065)', async () => {
    const { access_token } = await tokensFor(server, web, all, agent)
    const { sub } = decodeJwt(access_token)
    const url = new URL(`${server.issuer}/userinfo`)
    const bearer = { authorization: `Bearer ${access_token}` }
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const pages = [
      await exchange({ method: 'GET', url, headers: bearer }),
      await exchange({ method: 'POST', url, headers: bearer }),
      await exchange({ method: 'POST', url, headers: { ...bearer, ...form }, body: '' }),
    ]
    for (const page of pages) {
      expect(page.status).to.equal(200)
      expect(page.headers.get('content-type')).to.match(/^application\/json/)
      expect(page.headers.get('cache-control')).to.equal('no-store')
      expect(page.json()).to.include({
        sub,
        email: alice.email,
        email_verified: true,
        name: alice.name,
      })
    }
    const little = await tokensFor(server, spa, {}, agent)
    expect((await userinfo(server, little.access_token)).json()).to.deep.equal({ sub })
  })

  it('claims stay within the scope of the client, whether requested by name or granted before (apply file: the maximum)', async () => {
    const narrow = { ...web, client_id: 'narrow' }
    const declare = (scope: string) =>
      server.core.clients.declare(defaultTenant, { ...narrow, scope })
    const silent = (said: object) => expect(said).not.to.have.any.keys('email', 'name')
    await declare('openid offline_access')
    const claims = JSON.stringify({ userinfo: { email: null }, id_token: { name: null } })
    const asked = await tokensFor(server, narrow, { claims }, agent)
    silent(decodeJwt(asked.id_token ?? ''))
    silent((await userinfo(server, asked.access_token)).json() as object)

    await declare('openid profile email offline_access')
    const wide = { scope: `${all.scope} offline_access` }
    const held = await tokensFor(server, narrow, wide, agent)
    expect(decodeJwt(held.id_token ?? '')).to.include({ name: alice.name })
    await declare('openid offline_access')
    silent((await userinfo(server, held.access_token)).json() as object)
    silent(decodeJwt(tokensIn(await refresh(server, narrow, held)).id_token ?? ''))
  })

  it('userinfo requires a token, and without one gives no error code (P-064)', async () => {
    const url = new URL(`${server.issuer}/userinfo`)
    const page = await exchange({ method: 'GET', url, headers: {} })
    expect(page.status).to.equal(401)
    expect(page.headers.get('www-authenticate')).to.match(/^Bearer (?!.*error)/)
    const malformed = ['Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'bearer']
    for (const authorization of malformed) {
      const refused = await exchange({ method: 'GET', url, headers: { authorization } })
      expect(refused.status, authorization).to.be.oneOf([400, 401])
      expect(refused.headers.get('content-type')).to.match(/^application\/json/)
    }
    for (const token of ['x', 'a.b.c', '...', 'x'.repeat(5000), "'or'1=1"]) {
      expectInvalidToken(await userinfo(server, token))
    }
  })

  it('userinfo refuses a token in the query, and two tokens (P-064)', async () => {
    const { access_token } = await tokensFor(server, web, all, agent)
    const query = `?${encode({ access_token })}`
    const url = new URL(`${server.issuer}/userinfo${query}`)
    const inQuery = await exchange({ method: 'GET', url, headers: {} })
    expectRefusal(inQuery, 400, 'invalid_request')
    expect(inQuery.body).not.to.include(alice.email)
    const both = await exchange({
      method: 'POST',
      url: new URL(`${server.issuer}/userinfo`),
      headers: {
        authorization: `Bearer ${access_token}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: encode({ access_token }),
    })
    expect(both.status).to.equal(400)
  })

  it('userinfo requires the scope openid, and says so (P-064, RFC 6750 §3.1)', async () => {
    const fields = { scope: 'profile', nonce: undefined }
    const { access_token } = await tokensFor(server, web, fields, agent)
    const page = await userinfo(server, access_token)
    expectRefusal(page, 403, 'insufficient_scope')
    expect(page.headers.get('www-authenticate')).to.match(
      /^Bearer .*error="insufficient_scope".*scope="openid"/,
    )
  })

  it('userinfo refuses a token for another resource, JWT or opaque (ASVS 9.2.3, P-064)', async () => {
    for (const [resource, scope] of [
      [api, 'openid orders:read'],
      [opaque, 'openid read'],
    ]) {
      const { access_token } = await tokensFor(server, web, { scope, resource }, agent)
      expectInvalidToken(await userinfo(server, access_token))
    }
  })

  it('userinfo refuses ID tokens and refresh tokens (ASVS 9.2.2)', async () => {
    const { id_token = '', refresh_token = '' } = await tokensFor(server, web, all, agent)
    expectInvalidToken(await userinfo(server, id_token))
    expectInvalidToken(await userinfo(server, refresh_token))
    const of = await post(server, '/token', machine, { grant_type: 'client_credentials' })
    const page = await userinfo(server, tokensIn(of).access_token)
    expect(page.status).to.be.oneOf([401, 403])
  })

  it('an access token is refused as id_token_hint (ASVS 9.2.2)', async () => {
    const { access_token } = await tokensFor(server, web, all, agent)
    const page = await agent.get(
      authorizeUrl(server, web, { prompt: 'none', id_token_hint: access_token }),
    )
    expect(page.location?.searchParams.get('error')).to.equal('invalid_request')
  })

  it('userinfo refuses forged tokens (ASVS 9.1.1, 9.1.2, 9.1.3, C14)', async () => {
    const { access_token } = await tokensFor(server, web, all, agent)
    expect((await userinfo(server, access_token)).status).to.equal(200)
    for (const [what, token] of await forgeries(server, access_token)) {
      const page = await userinfo(server, token)
      expect(page.status, what).to.equal(401)
    }
  })

  it('userinfo accepts the opaque token of the default resource server (architecture §7)', async () => {
    const declaration = { identifier: opaque, scopes: ['read'], access_token_format: 'opaque' }
    await server.core.resources.declare(defaultTenant, { ...declaration, default: true })
    const { access_token } = await tokensFor(server, web, all, createUserAgent())
    expect(access_token).not.to.include('.')
    const page = await userinfo(server, access_token)
    expect(page.status, page.body).to.equal(200)
    expect(page.json()).to.include({ email: alice.email })
    for (const broken of [access_token.slice(1), `${access_token}x`, access_token.toUpperCase()]) {
      expectInvalidToken(await userinfo(server, broken))
    }
  })
})
