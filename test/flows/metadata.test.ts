import { expect } from 'chai'
import { cibaGrant, deviceCodeGrant } from '../../src/clients/client.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { callback, furnish, spa, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { encode, post, refresh, tokensFor } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const documents = ['openid-configuration', 'oauth-authorization-server']
const origin = new URL(callback).origin
const evil = 'https://evil.example'

onAnyStorage('metadata, keys and CORS', (kind) => {
  const server = booted(kind, {}, furnish)

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    exchange({ method, url: new URL(server.issuer + path), headers })
  const read = async (path: string, headers = {}) =>
    (await get(path, headers)).json() as Record<string, unknown>

  it('is the same at both addresses, with all endpoints below the issuer (P-066, P-067, K-29)', async () => {
    const [openid, oauth] = await Promise.all(documents.map((name) => read(`/.well-known/${name}`)))
    expect(openid).to.deep.equal(oauth)
    expect(openid?.['issuer']).to.equal(server.issuer)
    for (const [name, value] of Object.entries(openid ?? {})) {
      if (/_(endpoint|uri)$/.test(name)) {
        expect(value, name)
          .to.be.a('string')
          .and.match(new RegExp(`^${server.issuer}/`))
      }
    }
  })

  it('ignores host headers of the request (P-066, C17)', async () => {
    const plain = (await get('/.well-known/openid-configuration')).body
    const lies = [
      { host: 'evil.example' },
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      { forwarded: 'host=evil.example;proto=https', 'x-forwarded-port': '1' },
      { 'x-original-url': '/evil', 'x-rewrite-url': '/evil', 'x-forwarded-prefix': '/evil' },
      { host: 'evil.example:1', 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1' },
    ]
    for (const headers of lies) {
      for (const name of documents) {
        const page = await get(`/.well-known/${name}`, headers)
        expect(page.status).to.equal(200)
        expect(page.body, JSON.stringify(headers)).to.equal(plain)
      }
      const query = encode({
        client_id: web.client_id,
        redirect_uri: callback,
        response_type: 'code',
      })
      const page = await get(`/authorize?${query}`, headers)
      expect(page.headers.get('location') ?? '').not.to.include('evil')
    }
  })

  it('lists what is supported: code, S256, iss; no implicit, hybrid or password (ASVS 10.4.4, 10.6.1, P-010, P-011)', async () => {
    expect(await read('/.well-known/openid-configuration')).to.deep.include({
      response_types_supported: ['code'],
      grant_types_supported: [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        deviceCodeGrant,
        cibaGrant,
      ],
      device_authorization_endpoint: `${server.issuer}/device_authorization`,
      backchannel_authentication_endpoint: `${server.issuer}/backchannel-authentication`,
      backchannel_token_delivery_modes_supported: ['poll', 'ping'],
      backchannel_user_code_parameter_supported: false,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'client_secret_jwt',
        'private_key_jwt',
        'none',
      ],
      request_uri_parameter_supported: false,
      subject_types_supported: ['public', 'pairwise'],
      ui_locales_supported: ['en', 'de'],
    })
  })

  it('lists the same authentication methods for revocation and introspection as for the token endpoint (RFC 8414 §2)', async () => {
    const metadata = await read('/.well-known/openid-configuration')
    for (const said of ['auth_methods_supported', 'auth_signing_alg_values_supported']) {
      const expected = metadata[`token_endpoint_${said}`]
      expect(expected, said).to.be.an('array').that.is.not.empty
      for (const endpoint of ['revocation_endpoint', 'introspection_endpoint']) {
        expect(metadata[`${endpoint}_${said}`], `${endpoint}_${said}`).to.deep.equal(expected)
      }
    }
  })

  it('contains public keys only, in the key set (P-068, K-28)', async () => {
    const { keys } = (await read('/jwks')) as { keys: Record<string, string>[] }
    expect(keys.map(({ alg }) => alg)).to.include.members(['ES256', 'RS256'])
    expect(new Set(keys.map(({ kid }) => kid)).size).to.equal(keys.length)
    for (const key of keys) {
      expect(key).to.include.keys('kty', 'kid', 'use', 'alg')
      expect(key['use']).to.be.oneOf(['sig', 'enc'])
      expect(key['kty']).to.be.oneOf(['EC', 'RSA', 'OKP'])
      expect(key).not.to.have.any.keys('d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth')
    }
    expect((await get('/jwks')).body).to.equal((await get('/jwks')).body)
  })

  it('may be cached and revalidated with its ETag (K-29, R-09)', async () => {
    for (const path of ['/jwks', ...documents.map((name) => `/.well-known/${name}`)]) {
      const page = await get(path)
      expect(page.headers.get('cache-control')).to.equal('public, max-age=300')
      const etag = page.headers.get('etag') ?? ''
      const again = await get(path, { 'if-none-match': etag })
      expect({ status: again.status, body: again.body }).to.deep.equal({ status: 304, body: '' })
      expect((await get(path, {}, 'HEAD')).status).to.equal(200)
      expect((await get(path, {}, 'POST')).status).to.equal(405)
    }
  })

  it('may be read from any origin (K-23)', async () => {
    for (const path of ['/jwks', ...documents.map((name) => `/.well-known/${name}`)]) {
      const page = await get(path, { origin: evil })
      expect(page.headers.get('access-control-allow-origin')).to.be.oneOf([evil, '*'])
      expect(page.headers.has('access-control-allow-credentials')).to.equal(false)
    }
  })

  it('a browser app may call from its own origin and read errors, too (K-23)', async () => {
    const agent = createUserAgent()
    const tokens = await tokensFor(server, spa, {}, agent)
    const from = { origin }
    const asForm = { 'content-type': 'application/x-www-form-urlencoded', ...from }
    const send = (path: string, fields: Record<string, string | undefined>) =>
      post(server, path, spa, fields, from)
    const { access_token: token } = tokens
    const pages = [
      await send('/token', { grant_type: 'authorization_code', code: 'x', redirect_uri: callback }),
      await send('/token', { grant_type: 'nonsense' }),
      await send('/token', { grant_type: 'refresh_token', refresh_token: 'x' }),
      await send('/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }),
      await get('/userinfo', { ...from, authorization: `Bearer ${token}` }),
      await get('/userinfo', { ...from, authorization: 'Bearer x' }),
      await get('/userinfo', from),
      await send('/revoke', { token }),
      await send('/revoke', { token: 'x' }),
      await exchange({
        method: 'POST',
        url: new URL(`${server.issuer}/token`),
        headers: asForm,
        body: '',
      }),
    ]
    expect(pages.map(({ status }) => status)).to.deep.equal([
      400, 400, 400, 200, 200, 401, 401, 200, 200, 400,
    ])
    for (const [i, page] of pages.entries()) {
      expect(page.headers.get('access-control-allow-origin'), `${i}`).to.equal(origin)
      // Only the token endpoint sends it, once it knows the client's origins.
      const allowed = page.headers.get('access-control-allow-credentials')
      expect(allowed, `${i}`).to.equal(i < 4 ? 'true' : null)
    }
  })

  it('endpoints for programs ignore cookies and do not clear them (K-23)', async () => {
    const signedIn = createUserAgent()
    const mine = await tokensFor(server, spa, {}, signedIn)
    const cookie = await signedIn.jar.getCookieString(server.issuer)
    expect(cookie).to.include('session=')
    const bearer = { authorization: `Bearer ${mine.access_token}` }
    const wanted = { response_type: 'code', redirect_uri: callback, scope: 'openid' }
    const calls: [path: string, fields: Record<string, string | undefined>, headers?: object][] = [
      ['/token', { grant_type: 'authorization_code', code: 'x', redirect_uri: callback }],
      ['/token', { grant_type: 'refresh_token' }],
      ['/token', { grant_type: 'refresh_token', refresh_token: mine.refresh_token }],
      ['/userinfo', {}],
      ['/userinfo', {}, bearer],
      ['/par', wanted],
      ['/revoke', {}],
    ]
    const bare = ['request-id', 'date', 'content-length']
    for (const [path, fields, headers] of calls) {
      const [without, sent] = await Promise.all(
        [{}, { cookie }].map((more) =>
          post(server, path, spa, fields, { origin, ...headers, ...more }),
        ),
      )
      const seen = [without, sent].map((page) => ({
        status: page?.status,
        names: Object.keys(page?.json() ?? {}),
        headers: [...(page?.headers ?? [])].filter(([name]) => !bare.includes(name)),
      }))
      expect(seen[1], path).to.deep.equal(seen[0])
      expect(sent?.headers.has('set-cookie'), path).to.equal(false)
    }
  })

  it('answers preflights (K-23)', async () => {
    for (const path of ['/token', '/userinfo', '/revoke']) {
      const page = await get(
        path,
        {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
        'OPTIONS',
      )
      expect(page.status).to.equal(204)
      expect(page.headers.get('access-control-allow-origin')).to.equal(origin)
      expect(page.headers.get('access-control-allow-headers')).to.match(/authorization/i)
      expect(page.headers.has('access-control-allow-credentials')).to.equal(false)
    }
  })

  it('other origins may not call, nor may browsers for a confidential client (K-23, P-015)', async () => {
    const agent = createUserAgent()
    const ofSpa = await tokensFor(server, spa, {}, agent)
    const fields = { grant_type: 'refresh_token', refresh_token: ofSpa.refresh_token }
    const native = { ...spa, client_id: 'app', redirect_uris: ['com.example.app:/callback'] }
    await server.core.clients.declare(defaultTenant, { ...native, application_type: 'native' })
    for (const [client, from] of [
      [spa, evil],
      [spa, 'null'],
      [native, 'null'],
      [spa, '*'],
    ] as const) {
      const foreign = await post(server, '/token', client, fields, { origin: from })
      expect(foreign.status, from).to.equal(400)
      expect(foreign.json()).to.include({ error: 'invalid_request' })
      const allowed = [...foreign.headers.keys()].filter((name) => /allow-(o|c)/.test(name))
      expect(allowed, from).to.deep.equal([])
    }
    const noPage = await post(server, '/token', spa, { grant_type: 'refresh_token' })
    expect(noPage.headers.has('access-control-allow-credentials')).to.equal(false)
    expect((await refresh(server, spa, ofSpa)).status, 'the refresh token was not used').to.equal(
      200,
    )
    const confidential = await post(server, '/token', web, fields, { origin })
    expect(confidential.headers.has('access-control-allow-origin')).to.equal(false)
    for (const path of ['/authorize', '/logout', '/account', '/interaction/x', '/']) {
      for (const method of ['GET', 'OPTIONS']) {
        const page = await get(path, { origin, 'access-control-request-method': 'GET' }, method)
        expect(page.headers.has('access-control-allow-origin'), `${method} ${path}`).to.equal(false)
      }
    }
  })
})
