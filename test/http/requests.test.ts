import { once } from 'node:events'
import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { expect } from 'chai'
import { routes } from '../../src/oidc/routes.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { bank } from '../support/ciba.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, spa, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, basic, expectRefusal } from '../support/protocol.ts'

describe('http: excessive or malformed requests', () => {
  const server = booted(anyStorage, {}, furnish)

  const send = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<Page> =>
    exchange({
      method,
      url: new URL(server.issuer + path),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      ...(body === undefined ? {} : { body }),
    })

  it('are refused with more parameters than any request needs, in a query and in a body (C18)', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `a${i}=`).join('&')
    const began = process.cpuUsage()
    const headers = { authorization: basic(web) }
    const body = `grant_type=client_credentials&${many}`.slice(0, 50_000)
    expectRefusal(await send('POST', '/token', headers, body), 400, 'invalid_request')
    const query = await send('GET', `/authorize?${many.slice(0, 10_000)}`)
    expectRefusal(query, 400, 'invalid_request')
    expect(process.cpuUsage(began).user, 'microseconds').to.be.below(2_000_000)
  })

  it('are not read beyond the body limit, with and without a length (R-14, CVE-2026-4634 class)', async () => {
    const { bodyLimit } = server.core.config
    const large = `a=${'b'.repeat(bodyLimit)}`
    for (const path of ['/token', '/introspect', '/interaction/x/login', '/account/sign-out']) {
      expectRefusal(await send('POST', path, {}, large), 413, 'invalid_request')
    }
    const chunked = { 'transfer-encoding': 'chunked' }
    const signOut = await send('POST', '/account/sign-out', chunked, large)
    expect(signOut.status).to.equal(413)
    const token = await send('POST', '/token', chunked, large)
    expect(token.status).to.be.within(400, 413)
    expect((await send('GET', '/healthz')).status, 'still alive').to.equal(200)
  })

  it('are answered when they have neither a body nor its length, also on one connection (RFC 9112 §6.3)', async () => {
    const { host, hostname, port } = new URL(server.issuer)
    const posted = [
      ...Object.values(routes),
      ...[
        '/sign-up',
        '/password/reset',
        '/account/sign-out',
        '/interaction/x/login',
        '/admin/v1/x',
      ],
    ]
    const fields = `Host: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nOrigin: ${server.issuer}`
    const requests = posted.map((path) => `POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)
    const last = `GET /healthz HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`
    const caller = connect(Number(port), hostname)
    caller.write(requests.join('') + last)
    const answers = await textOf(caller)
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) =>
      Number(status),
    )
    expect(statuses).to.have.length(posted.length + 1)
    for (const [i, status] of statuses.slice(0, -1).entries()) {
      expect(status, posted[i]).to.be.within(303, 415)
    }
    expect(statuses.at(-1)).to.equal(200)
  })

  it('are refused with a parameter that Postgres cannot store, at every endpoint that begins a flow (C18)', async () => {
    await server.core.clients.declare(defaultTenant, bank)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const begin = {
      '/device_authorization': (body: string, headers = form) =>
        send('POST', '/device_authorization', headers, `client_id=tv&scope=openid&${body}`),
      '/par': (body: string, headers = form) => {
        const { search } = authorizeUrl(server, spa, { nonce: undefined })
        return send('POST', '/par', headers, `${search.slice(1)}&${body}`)
      },
      '/backchannel-authentication': (body: string, headers = form) => {
        const usual = `scope=openid&login_hint=${encodeURIComponent(alice.email)}`
        const authorization = basic(bank)
        const path = '/backchannel-authentication'
        return send('POST', path, { ...headers, authorization }, `${usual}&${body}`)
      },
    }
    const claims = (text: string) => `claims=${encodeURIComponent(text)}`
    const deep = `${'['.repeat(6000)}${']'.repeat(6000)}`
    for (const [path, ask] of Object.entries(begin)) {
      for (const name of ['nonce', 'acr_values', 'ui_locales', 'display', 'x']) {
        expectRefusal(await ask(`${name}=a%00b`), 400, 'invalid_request')
      }
      expectRefusal(await ask('nonce=a\0b'), 400, 'invalid_request')
      const hidden = { 'content-type': `${form['content-type']}; charset=iso-2022-jp` }
      expectRefusal(await ask('nonce=a%\x1b(B00b', hidden), 400, 'invalid_request')
      for (const text of [
        '{"id_token":{"a\\u0000b":null}}',
        '{"userinfo":{"\\udc00":null}}',
        '{"id_token":{"auth_time":{"value":["\\ud800"]}}}',
        `{"id_token":{"auth_time":{"value":${deep}}}}`,
      ]) {
        const refused = await ask(claims(text))
        expectRefusal(refused, 400, 'invalid_request')
        expect(refused.body, `${path} ${text.slice(0, 50)}`).to.contain('not contain U+0000')
      }
      const good = await ask(
        claims('{"id_token":{"auth_time":{"value":"\\ud83d\\ude00 \\\\u0000"}}}'),
      )
      expect(good.status, good.body).to.be.within(200, 201)
    }
    const query = authorizeUrl(server, web, { claims: '{"id_token":{"a\\u0000b":null}}' })
    const answered = await send('GET', query.pathname + query.search)
    expect(answered.location?.searchParams.get('error')).to.equal('invalid_request')
  })

  it('are refused as an unknown client when the client_id contains U+0000 (C18)', async () => {
    const client = 'client_id=https%3A%2F%2Fa.example%2F%00&client_secret=x'
    for (const path of ['/token', '/introspect', '/revoke']) {
      const form = `grant_type=client_credentials&token=x&${client}`
      const answer = await send('POST', path, {}, form)
      expectRefusal(answer, 401, 'invalid_client')
    }
  })

  it('are refused with U+0000 that is split across chunks (C18)', async () => {
    const { hostname, port } = new URL(server.issuer)
    const socket = connect(Number(port), hostname)
    const parts = ['client_id=tv&scope=openid&nonce=a%', '00b']
    socket.write(
      'POST /device_authorization HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' +
        'Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    for (const part of parts) socket.write(`${part.length.toString(16)}\r\n${part}\r\n`)
    socket.write('0\r\n\r\n')
    expect(await textOf(socket)).to.match(/^HTTP\/1.1 400 .*invalid_request/s)
  })

  it('are refused with a repeated field', async () => {
    const answer = await send('POST', '/account/sign-out', {}, 'csrf=a&csrf=b')
    expectRefusal(answer, 400, 'invalid_request')
    const url = authorizeUrl(server, web, { state: ['one', 'two'] })
    const answered = await send('GET', url.pathname + url.search)
    expect(answered.location?.searchParams.get('error')).to.equal('invalid_request')
  })

  it('are answered with the allowed methods, on subpaths too (ASVS 4.1.4, P-040)', async () => {
    for (const [method, path, allow] of [
      ['GET', '/token', 'POST, OPTIONS'],
      ['PUT', '/jwks', 'GET, HEAD, OPTIONS'],
      ['POST', '/interaction/abc', 'GET, HEAD'],
      ['DELETE', '/interaction/abc/login', 'GET, HEAD, POST'],
      ['GET', '/backchannel-authentication', 'POST'],
      ['DELETE', '/account/sign-out', 'GET, HEAD, POST'],
      ['PATCH', '/account', 'GET, HEAD'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['PUT', '/assets/keyturn.css', 'GET, HEAD'],
      ['OPTIONS', '/favicon.ico', 'GET, HEAD'],
    ] as const) {
      const page = await send(method, path)
      expect({ status: page.status, allow: page.headers.get('allow') }, path).to.deep.equal({
        status: 405,
        allow,
      })
    }
  })

  it('are told the allowed methods on OPTIONS (RFC 9110 §9.3.7)', async () => {
    for (const path of ['/token', '/jwks', '/userinfo', '/register']) {
      const { headers } = await send('PATCH', path)
      for (const origin of ['', 'https://app.example']) {
        const page = await send('OPTIONS', path, origin ? { origin } : {})
        expect(page.status, path).to.equal(204)
        expect(page.headers.get('allow'), path)
          .to.equal(headers.get('allow'))
          .and.include('OPTIONS')
      }
    }
    expect((await send('OPTIONS', '/nowhere')).status).to.equal(404)
  })

  it('are answered with a page or with JSON, depending on Accept', async () => {
    for (const [accept, type] of [
      ['text/html,application/xhtml+xml,*/*;q=0.8', /^text\/html/],
      ['application/json', /^application\/json/],
      ['*/*', /^application\/json/],
    ] as const) {
      for (const path of ['/nowhere', '/authorize']) {
        const page = await send('GET', path, { accept })
        expect(page.headers.get('content-type'), `${path} ${accept}`).to.match(type)
      }
    }
  })
})

describe('http: caching, CORS and the request log', () => {
  const server = booted(anyStorage, { JWKS_MAX_AGE: '120' }, furnish)

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    exchange({ method, url: new URL(server.issuer + path), headers })

  for (const path of [
    '/jwks',
    '/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server',
  ]) {
    it(`${path} is cacheable for JWKS_MAX_AGE, with a validator (R-09)`, async () => {
      const first = await get(path)
      expect(first.headers.get('cache-control')).to.equal('public, max-age=120')
      const etag = first.headers.get('etag') ?? ''
      expect(etag).to.match(/^"[\w-]{22}"$/)
      const again = await get(path, { 'if-none-match': etag })
      expect(again.status).to.equal(304)
      expect(again.body).to.equal('')
      const changed = await get(path, { 'if-none-match': '"other"' })
      expect(changed.body).to.equal(first.body)
      expect((await get(path, {}, 'HEAD')).headers.get('etag')).to.equal(etag)
    })

    it(`${path} is readable by browser apps of any origin (K-23)`, async () => {
      const page = await get(path, { origin: 'https://app.example.com' })
      expect(page.headers.get('access-control-allow-origin')).to.equal('*')
      expect(page.headers.get('cross-origin-resource-policy')).to.equal('cross-origin')
      expect(page.headers.get('access-control-allow-credentials')).to.equal(null)
    })
  }

  it('style sheet and logo are cacheable for a year, under a path with their version', async () => {
    const home = await get('/', { accept: 'text/html' })
    for (const link of home.root.querySelectorAll('link[rel=stylesheet], link[rel=icon]')) {
      const href = link.getAttribute('href') ?? ''
      expect(href).to.match(/^\/assets\/[\w.]+\?v=[\w-]{16}$/)
      const page = await get(href)
      expect(page.headers.get('cache-control')).to.equal('public, max-age=31536000, immutable')
      const etag = page.headers.get('etag') ?? ''
      expect((await get(href, { 'if-none-match': etag })).status).to.equal(304)
      expect((await get(href, {}, 'HEAD')).body).to.equal('')
      expect((await get(href, {}, 'POST')).status).to.equal(405)
    }
  })

  it('nothing else is cacheable, nor is any refusal', async () => {
    for (const path of ['/', '/account', '/authorize', '/nowhere', '/healthz', '/assets/nothing']) {
      expect((await get(path)).headers.get('cache-control'), path).to.equal('no-store')
    }
  })

  it('the log has the first 256 characters of a longer path', async () => {
    const path = `/${'long.'.repeat(2000)}`
    expect((await get(path)).status).to.equal(404)
    const logged = server.logged().split('\n')
    const [line = '{}'] = logged.filter(
      (each) => each.includes('"/long.') && each.includes('"request"'),
    )
    expect((JSON.parse(line) as { path: string }).path).to.equal(path.slice(0, 256))
    for (const each of logged) expect(each).not.to.include('long.'.repeat(60))
  })

  it('pages of another origin cannot read /authorize or the account (K-23, ASVS 3.5.8)', async () => {
    const origin = new URL(spa.redirect_uris[0] as string).origin
    const authorize = authorizeUrl(server, spa)
    for (const path of [authorize.pathname + authorize.search, '/account', '/interaction/x']) {
      const page = await get(path, { origin })
      expect(page.headers.has('access-control-allow-origin'), path).to.equal(false)
      expect(page.headers.get('cross-origin-resource-policy')).to.equal('same-origin')
    }
  })

  it('disconnected clients with pipelined requests appear in the log only (ASVS 16.5.1)', async () => {
    const written: unknown[] = []
    const { error: write } = console
    console.error = (...words: unknown[]) => void written.push(words)
    const { shortLived } = server.core
    const { put } = shortLived
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    let puts = 0
    // The first response is sent; the others wait until the client has disconnected.
    shortLived.put = async (...given) => {
      if (++puts > 1) await released
      return put(...given)
    }
    try {
      const { hostname, host, port, pathname, search } = authorizeUrl(server, spa)
      const one = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      const caller = connect(Number(port), hostname).on('error', () => undefined)
      caller.write(one)
      await once(caller, 'data')
      caller.write(one.repeat(2))
      await eventually('both wait', () => puts === 3)
      caller.resetAndDestroy()
      // By then the server has noticed the reset.
      for (let i = 0; i < 3; i++) await get('/healthz')
      release()
      await eventually('the log line', () =>
        server.logged().includes('"the client disconnected before the response was written"'),
      )
      await get('/healthz')
      expect(written).to.deep.equal([])
    } finally {
      console.error = write
      shortLived.put = put
      release()
    }
  })
})
