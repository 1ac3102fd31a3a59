import { expect } from 'chai'
import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
} from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import {
  alice,
  api,
  furnish,
  furnishOpaque,
  opaque,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import {
  authorizeUrl,
  expectRefusal,
  expectReturned,
  type Fields,
  post,
  redeem,
  refresh,
  type StoryClient,
  signIn,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const introspectionJwt = 'application/token-introspection+jwt'

/** An OAuth request without OpenID: no nonce. */
const pure = { nonce: undefined }

onAnyStorage('optional parts of an authorization request, and signed introspection', (kind) => {
  const server = booted(kind, {}, furnish, furnishOpaque)
  let agent: UserAgent
  const credentials = { username: alice.email, password: alice.password }
  const bob = { email: 'bob@example.com', password: 'can we fix it? yes we can 7' }
  const app = { ...spa, client_id: 'app', application_type: 'native' }

  before(async () => {
    await server.core.accounts.declare(defaultTenant, bob)
    await server.core.clients.declare(defaultTenant, {
      ...app,
      redirect_uris: [
        'https://app.example.com/callback',
        'http://127.0.0.1/native',
        'com.example.app:/x',
      ],
    })
  })
  beforeEach(() => {
    agent = createUserAgent()
  })

  const ask = (fields: Fields, client: StoryClient = web) =>
    agent.get(authorizeUrl(server, client, fields))
  const claims = (value: unknown) => ({ claims: JSON.stringify(value) })

  it('returns individually requested claims where the request asked for them, after consent (OpenID Connect Core §5.5)', async () => {
    const wanted = claims({ id_token: { email: null }, userinfo: { name: { essential: true } } })
    const start = await agent.follow(await agent.get(authorizeUrl(server, web, wanted)))
    const consent = await agent.follow(await agent.submit(start, { fields: credentials }))
    expect(consent.root.structuredText, 'the consent page names the claim').to.match(/e-?mail/i)
    const { location } = await agent.follow(await agent.submit(consent))
    const tokens = tokensIn(await redeem(server, web, location?.searchParams.get('code') ?? ''))
    expect(decodeJwt(tokens.id_token ?? '')).to.include({ email: alice.email })
    expect(decodeJwt(tokens.id_token ?? '')).not.to.have.property('name')
    const said = (await userinfo(server, tokens.access_token)).json()
    expect(said).to.include({ name: alice.name }).and.not.have.property('email')
    expectReturned(
      await ask({ prompt: 'none', ...claims({ id_token: { preferred_username: null } }) }),
      'consent_required',
    )
  })

  it('puts the claims of the granted scopes into the ID token (K-22)', async () => {
    const { id_token = '' } = await tokensFor(server, web, { scope: 'openid email profile' })
    expect(decodeJwt(id_token)).to.include({ email: alice.email, name: alice.name })
    const { id_token: bare = '' } = await tokensFor(server, web)
    expect(decodeJwt(bare)).not.to.have.any.keys('email', 'name')
  })

  it('omits scope claims from the ID token for a client registered so, but includes individually requested ones (K-22)', async () => {
    const slim = { ...web, client_id: 'slim', id_token_scope_claims: false }
    await server.core.clients.declare(defaultTenant, slim)
    const scope = 'openid email profile'
    const asked = claims({ id_token: { preferred_username: null } })
    const first = await tokensFor(server, slim, { scope, ...asked })
    const tokens = [first, tokensIn(await refresh(server, slim, first))]
    for (const { id_token = '', access_token } of tokens) {
      expect(decodeJwt(id_token)).to.include({ preferred_username: alice.email })
      expect(decodeJwt(id_token)).to.include.all.keys('sub', 'auth_time', 'sid')
      expect(decodeJwt(id_token)).not.to.have.any.keys('email', 'email_verified', 'name')
      const said = (await userinfo(server, access_token)).json()
      expect(said).to.include({ email: alice.email, name: alice.name })
    }
  })

  it('rejects malformed claims parameters (OpenID Connect Core §5.5)', async () => {
    for (const bad of ['x', '[]', '{}', '"a"', '{"id_token":1}', '{"id_token":{"email":1}}']) {
      expectReturned(await ask({ claims: bad }), 'invalid_request')
    }
    // Pages and error_description repeat no text of the caller, nor characters that it may not contain (RFC 6749 §5.2).
    const name = '"Your account is locked: call ☎ 1"'
    const pushed = { ...Object.fromEntries(authorizeUrl(server, web).searchParams) }
    const page = await post(server, '/par', web, {
      ...pushed,
      ...claims({ id_token: { [name]: 1 } }),
    })
    expectRefusal(page, 400, 'invalid_request')
    expect(page.body).not.to.include('call')
    const refusal = await server.core.refusals.find(page.headers.get('request-id') ?? '')
    expect(refusal).to.include({ check: 'claims_parameter' })
    expect(refusal?.reason).to.include(name)
  })

  it('rejects an unknown essential acr and ignores a voluntary one (P-021)', async () => {
    for (const acr of [{ value: 'gold' }, { values: ['gold', 'silver'] }]) {
      const essential = claims({ id_token: { acr: { essential: true, ...acr } } })
      expectReturned(await ask(essential), 'unmet_authentication_requirements')
      expectReturned(
        await ask({ prompt: 'none', ...essential }),
        'unmet_authentication_requirements',
      )
    }
    const voluntary = await tokensFor(server, web, { acr_values: 'gold silver' }, agent)
    expect(decodeJwt(voluntary.id_token ?? '')).not.to.have.property('acr')
  })

  it('prompt=select_account lets another user sign in, and prompt=create is refused (P-018)', async () => {
    await signIn(server, web, {}, agent)
    const page = await agent.follow(await ask({ prompt: 'select_account' }))
    expect(page.root.querySelector('input[name=password]')).not.to.equal(null)
    const returned = await agent.walk(
      authorizeUrl(server, web, { prompt: 'select_account' }),
      credentials,
    )
    expect(returned.searchParams.get('code')).to.be.a('string')
    expectReturned(await ask({ prompt: 'none select_account' }), 'invalid_request')
    expectReturned(await ask({ prompt: 'create' }), 'invalid_request')
    const metadata = await fetch(`${server.issuer}/.well-known/openid-configuration`)
    expect(await metadata.json()).to.deep.include({
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      claims_parameter_supported: true,
      subject_types_supported: ['public', 'pairwise'],
    })
  })

  it('prompt=none renews a native app only at its claimed https redirect URI (K-07, P-029)', async () => {
    const at = (redirect_uri: string, fields: Fields = {}) =>
      authorizeUrl(server, app, { redirect_uri, ...fields })
    const owned = 'https://app.example.com/callback'
    for (const redirect_uri of [owned, 'http://127.0.0.1:4711/native', 'com.example.app:/x']) {
      await agent.walk(at(redirect_uri), credentials)
    }
    const renewed = await agent.get(at(owned, { prompt: 'none' }))
    expect(renewed.location?.searchParams.has('code')).to.equal(true)
    for (const redirect_uri of ['http://127.0.0.1:4711/native', 'com.example.app:/x']) {
      const { location } = await agent.get(at(redirect_uri, { prompt: 'none' }))
      expect(location?.searchParams.get('error')).to.equal('interaction_required')
      const asked = await agent.follow(await agent.get(at(redirect_uri)))
      expect(asked.root.querySelector('[name=decision]'), 'asks for consent again').not.to.equal(
        null,
      )
    }
  })

  it('introspection returns a signed JWT on request, for both token formats (RFC 9701)', async () => {
    await server.core.clients.declare(defaultTenant, {
      ...ordersApi,
      introspection_signed_response_alg: 'ES256',
    })
    const keys = createLocalJWKSet(
      (await (await fetch(`${server.issuer}/jwks`)).json()) as JSONWebKeySet,
    )
    for (const [resource, scope] of [
      [api, 'orders:read'],
      [opaque, 'read'],
    ] as const) {
      const { access_token: token } = await tokensFor(server, web, { ...pure, resource, scope })
      for (const given of [token, `${token}x`]) {
        const page = await post(
          server,
          '/introspect',
          ordersApi,
          { token: given },
          { accept: introspectionJwt },
        )
        expect(page.status, page.body).to.equal(200)
        expect(page.headers.get('content-type')).to.match(/^application\/token-introspection\+jwt/)
        expect(decodeProtectedHeader(page.body)).to.include({
          typ: 'token-introspection+jwt',
          alg: 'ES256',
        })
        await compactVerify(page.body, keys)
        const { iss, iat, token_introspection: answer } = decodeJwt(page.body)
        expect(iss).to.equal(server.issuer)
        expect(iat).to.be.a('number')
        if (given === token) expect(answer).to.include({ active: true, scope, aud: resource })
        else expect(answer).to.deep.equal({ active: false })
      }
      const json = await post(server, '/introspect', ordersApi, { token })
      expect(json.json()).to.include({ active: true })
    }
    const refused = await post(
      server,
      '/introspect',
      { ...ordersApi, client_secret: 'x'.repeat(20) },
      { token: 'x' },
      { accept: introspectionJwt },
    )
    expectRefusal(refused, 401, 'invalid_client')
  })
})
