import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'chai'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, basic, expectRefusal } from '../support/protocol.ts'

describe('http: requests that are too much or not right', () => {
  let server: TestServer
  before(async () => {
    server = await boot('embedded')
    await furnish(server)
  })
  after(() => server?.stop())

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

  it('refuses more parameters than any request needs, in a query and in a body (C18)', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `a${i}=`).join('&')
    const started = performance.now()
    const headers = { authorization: basic(web) }
    const body = `grant_type=client_credentials&${many}`.slice(0, 50_000)
    expectRefusal(await send('POST', '/token', headers, body), 400, 'invalid_request')
    const query = await send('GET', `/authorize?${many.slice(0, 10_000)}`)
    expectRefusal(query, 400, 'invalid_request')
    expect(performance.now() - started).to.be.below(2000)
  })

  it('reads no body that is announced or turns out to be too large (R-14, CVE-2026-4634 class)', async () => {
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
    expect((await send('GET', '/healthz')).status, 'and goes on').to.equal(200)
  })

  it('refuses a field that comes twice', async () => {
    const answer = await send('POST', '/account/sign-out', {}, 'csrf=a&csrf=b')
    expectRefusal(answer, 400, 'invalid_request')
    const url = authorizeUrl(server, web, { state: ['one', 'two'] })
    const answered = await send('GET', url.pathname + url.search)
    expect(answered.location?.searchParams.get('error')).to.equal('invalid_request')
  })

  it('names the methods an address takes, below it too (ASVS 4.1.4, P-040)', async () => {
    for (const [method, path, allow] of [
      ['GET', '/token', 'POST, OPTIONS'],
      ['POST', '/authorize', 'GET, HEAD'],
      ['PUT', '/jwks', 'GET, HEAD, OPTIONS'],
      ['POST', '/interaction/abc', 'GET, HEAD'],
      ['DELETE', '/interaction/abc/login', 'GET, HEAD, POST'],
      ['GET', '/account/sign-out', 'POST'],
      ['PATCH', '/account', 'GET, HEAD'],
      ['POST', '/healthz', 'GET, HEAD'],
    ] as const) {
      const page = await send(method, path)
      expect({ status: page.status, allow: page.headers.get('allow') }, path).to.deep.equal({
        status: 405,
        allow,
      })
    }
  })

  it('answers a person with a page and a program with JSON', async () => {
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

describe('http: what may be kept', () => {
  let server: TestServer
  before(async () => {
    server = await boot('embedded', { JWKS_MAX_AGE: '120' })
    await furnish(server)
  })
  after(() => server?.stop())

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    exchange({ method, url: new URL(server.issuer + path), headers })

  for (const path of [
    '/jwks',
    '/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server',
  ]) {
    it(`${path} for JWKS_MAX_AGE, with a validator (R-09)`, async () => {
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

    it(`${path} by browser apps of any origin (K-23)`, async () => {
      const page = await get(path, { origin: 'https://app.example.com' })
      expect(page.headers.get('access-control-allow-origin')).to.equal('*')
      expect(page.headers.get('cross-origin-resource-policy')).to.equal('cross-origin')
      expect(page.headers.get('access-control-allow-credentials')).to.equal(null)
    })
  }

  it('style sheet and logo for a year, by the address that names their content', async () => {
    const home = await get('/', { accept: 'text/html' })
    for (const link of home.root.querySelectorAll('link[rel=stylesheet], link[rel=icon]')) {
      const href = link.getAttribute('href') ?? ''
      expect(href).to.match(/^\/assets\/[\w.]+\?v=[\w-]{16}$/)
      const page = await get(href)
      expect(page.headers.get('cache-control')).to.equal('public, max-age=31536000, immutable')
      const etag = page.headers.get('etag') ?? ''
      expect((await get(href, { 'if-none-match': etag })).status).to.equal(304)
      expect((await get(href, {}, 'HEAD')).body).to.equal('')
      expect((await get(href, {}, 'POST')).status).to.equal(404)
    }
  })

  it('nothing else, and nothing at all that is refused', async () => {
    for (const path of ['/', '/account', '/authorize', '/nowhere', '/healthz', '/assets/nothing']) {
      expect((await get(path)).headers.get('cache-control'), path).to.equal('no-store')
    }
  })

  it('256 characters of a path in the log, however long it is', async () => {
    const path = `/${'long.'.repeat(2000)}`
    expect((await get(path)).status).to.equal(404)
    const logged = server.logged().split('\n')
    const [line = '{}'] = logged.filter(
      (each) => each.includes('"/long.') && each.includes('"request"'),
    )
    expect((JSON.parse(line) as { path: string }).path).to.equal(path.slice(0, 256))
    for (const each of logged) expect(each).not.to.include('long.'.repeat(60))
  })

  it('never lets a page of another origin read /authorize or the account (K-23, ASVS 3.5.8)', async () => {
    const origin = new URL(spa.redirect_uris[0] as string).origin
    const authorize = authorizeUrl(server, spa)
    for (const path of [authorize.pathname + authorize.search, '/account', '/interaction/x']) {
      const page = await get(path, { origin })
      expect(page.headers.has('access-control-allow-origin'), path).to.equal(false)
      expect(page.headers.get('cross-origin-resource-policy')).to.equal('same-origin')
    }
  })

  it('says in its log alone that callers have gone who had requests in line (ASVS 16.5.1)', async () => {
    const written: unknown[] = []
    const { error: write } = console
    console.error = (...words: unknown[]) => void written.push(words)
    try {
      const { hostname, host, port, pathname, search } = authorizeUrl(server, spa)
      const one = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      // Not each goes while an answer is being made.
      await eventually('one has gone before its answer', async () => {
        const caller = connect(Number(port), hostname).on('error', () => undefined)
        await new Promise<void>((resolve) => caller.write(one.repeat(10), () => resolve()))
        await once(caller, 'data')
        caller.resetAndDestroy()
        return server.logged().includes('"the caller was gone before its answer"')
      })
      await get('/healthz')
      expect(written).to.deep.equal([])
    } finally {
      console.error = write
    }
  })
})
