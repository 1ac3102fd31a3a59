import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { arrive } from '../people/story.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { authorizeUrl, signIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const json = { 'content-type': 'application/json' }

interface Probe {
  method?: string
  path: string
  status: number
  headers?: Record<string, string>
  body?: string
  /** Whether shared caches may store the answer. */
  cacheable?: true
}

/** Every endpoint of the server, with valid, invalid and unknown paths (ASVS 6.1.3: the inventory). */
const probes: Probe[] = [
  { path: '/', status: 200 },
  { path: '/account', status: 303 },
  { path: '/account/callback', status: 409 },
  { path: '/account/callback?error=access_denied', status: 303 },
  { path: '/account/signed-out', status: 200 },
  { method: 'POST', path: '/account/sign-out', status: 403 },
  { method: 'POST', path: '/account/sign-out', status: 303, headers: form },
  { path: '/account/sign-out', status: 303 },
  { path: '/assets/keyturn.css', status: 200, cacheable: true },
  { path: '/assets/keyturn.svg', status: 200, cacheable: true },
  { path: '/favicon.ico', status: 200, cacheable: true },
  { path: '/assets/nothing.js', status: 404 },
  { path: '/assets/../package.json', status: 404 },
  { path: '/.well-known/openid-configuration', status: 200, cacheable: true },
  { path: '/.well-known/oauth-authorization-server', status: 200, cacheable: true },
  { method: 'POST', path: '/.well-known/openid-configuration', status: 405 },
  { path: '/jwks', status: 200, cacheable: true },
  { method: 'DELETE', path: '/jwks', status: 405 },
  { path: '/healthz', status: 200 },
  { path: '/readyz', status: 200 },
  { path: '/authorize', status: 400 },
  { path: '/authorize?client_id=unknown', status: 400 },
  { method: 'POST', path: '/authorize', status: 303, headers: form },
  { method: 'POST', path: '/authorize', status: 400, headers: json, body: '{}' },
  { method: 'POST', path: '/logout', status: 303, headers: form },
  { path: '/authorize/unknown', status: 400 },
  { path: '/interaction/unknown', status: 400 },
  { path: '/interaction/unknown/login', status: 303 },
  { method: 'POST', path: '/interaction/unknown/login', status: 400, headers: form },
  { method: 'PUT', path: '/interaction/unknown', status: 405 },
  { path: '/token', status: 405 },
  { method: 'POST', path: '/token', status: 400, headers: form },
  { method: 'POST', path: '/token', status: 400, headers: json, body: '{}' },
  { method: 'POST', path: '/token', status: 413, headers: form, body: 'a'.repeat(60_000) },
  { method: 'POST', path: '/introspect', status: 400, headers: form },
  { method: 'POST', path: '/revoke', status: 400, headers: form },
  { path: '/userinfo', status: 401 },
  { path: '/userinfo', status: 401, headers: { authorization: 'Bearer unknown' } },
  { path: '/logout', status: 303 },
  { path: '/logout?client_id=unknown', status: 400 },
  { method: 'POST', path: '/logout/confirm', status: 400, headers: form },
  { path: '/logout/confirm', status: 303 },
  { path: '/logout/success', status: 200 },
  { path: '/nowhere', status: 404 },
  { method: 'DELETE', path: '/', status: 405 },
  { method: 'TRACE', path: '/', status: 405 },
  { path: '/t/unknown/', status: 404 },
  { path: `/authorize?${'&'.repeat(300)}`, status: 400 },
]

/** The headers that every answer must have. */
function expectGuarded(headers: Headers, what: string, https: boolean, cacheable = false): void {
  const csp = headers.get('content-security-policy') ?? ''
  for (const rule of [
    "default-src 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]) {
    expect(csp, `${what}: ASVS 3.4.3, 3.4.6`).to.include(rule)
  }
  // A picture may contain styles; opened as a document, it is sandboxed.
  const isPicture = headers.get('content-type')?.startsWith('image/') === true
  expect(csp.includes('sandbox'), what).to.equal(isPicture)
  const styled = isPicture ? csp.replace("style-src 'unsafe-inline'", '') : csp
  expect(styled, what).not.to.match(/unsafe|\*|form-action|https?:/)
  expect(headers.get('x-frame-options'), what).to.equal('DENY')
  expect(headers.get('x-content-type-options'), `${what}: ASVS 3.4.4`).to.equal('nosniff')
  expect(headers.get('referrer-policy'), `${what}: ASVS 3.4.5`).to.equal('no-referrer')
  expect(headers.get('cache-control'), what).to.match(
    cacheable ? /^public, max-age=\d+/ : /^no-store$/,
  )
  expect(headers.get('strict-transport-security'), `${what}: ASVS 3.4.1`).to.equal(
    https ? 'max-age=63072000; includeSubDomains' : null,
  )
  for (const banner of ['server', 'x-powered-by']) expect(headers.has(banner), what).to.equal(false)
}

/** Sends bytes and reads until the server closes. */
async function sendBytes(
  port: number,
  bytes: string,
): Promise<{ status: number; headers: Headers }> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write(bytes)
  const [head = ''] = (await text(socket)).split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = new Headers(
    lines.map((each) => {
      const [name = '', ...value] = each.split(': ')
      return [name, value.join(': ')] as [string, string]
    }),
  )
  return { status: Number(line.split(' ')[1]), headers }
}

for (const https of [false, true]) {
  describe(`http/headers of an ${https ? 'https' : 'http'} issuer`, () => {
    const server = booted(
      'embedded',
      https ? { ISSUER: 'https://auth.example.com', HOST: '127.0.0.1' } : {},
    )
    let at: string
    before(async () => {
      at = `http://localhost:${server.core.config.port}`
      await furnish(server)
    })

    for (const accept of ['text/html', 'application/json']) {
      for (const { method = 'GET', path, status, headers, body, cacheable } of probes) {
        const what = `${method} ${path.slice(0, 60)} → ${status}`
        it(`are set on ${what} for ${accept} (ASVS 3.4, P-014)`, async () => {
          const page = await exchange({
            method,
            url: new URL(at + path),
            headers: {
              host: 'localhost.attacker.example',
              accept,
              ...(method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {}),
              ...headers,
            },
            ...(body === undefined ? {} : { body }),
          })
          expect(page.status, page.body).to.equal(status)
          expectGuarded(page.headers, what, https, cacheable)
          if (status === 405)
            expect(page.headers.get('allow'), what).to.match(/^[A-Z]+(, [A-Z]+)*$/)
          if (status >= 400)
            expect(page.body, 'ASVS 16.5.1').not.to.match(/node_modules|\.ts:|select /)
        })
      }
    }

    it('are set on answers to malformed requests (431, 400)', async () => {
      const { port } = server.core.config
      const long = await sendBytes(
        port,
        `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`,
      )
      expect(long.status).to.equal(431)
      const broken = await sendBytes(port, 'GARBAGE\r\n\r\n')
      expect(broken.status).to.equal(400)
      for (const { headers, status } of [long, broken]) {
        expectGuarded(headers, String(status), https)
      }
    })

    it('are set on every answer of a sign-in, and its cookies are protected', async () => {
      const cookies: string[] = []
      const agent = createUserAgent()
      const seen = (headers: Headers, url: URL) => {
        expectGuarded(headers, url.pathname, https)
        cookies.push(...headers.getSetCookie())
      }
      const { get, submit } = agent
      agent.get = async (...args) => {
        const page = await get(...args)
        seen(page.headers, page.url)
        return page
      }
      agent.submit = async (...args) => {
        const page = await submit(...args)
        seen(page.headers, page.url)
        return page
      }
      await signIn({ ...server, issuer: at }, web, {}, agent)
      const account = await agent.follow(await agent.get(`${at}/account`))
      expect(account.url.href, 'stays on the address that the browser uses').to.equal(
        `${at}/account`,
      )
      await agent.submit(account, { form: '#sign-out-form' })

      expect(cookies).to.have.length.greaterThan(6)
      const names = new Set<string>()
      for (const cookie of cookies) {
        names.add(cookie.split('=', 1)[0] ?? '')
        expect(cookie).to.match(/; httponly/i)
        expect(cookie).to.match(/; samesite=lax/i)
        expect(cookie).to.match(/; path=\//i)
        expect(cookie).not.to.match(/; domain=/i)
        if (https) expect(cookie).to.match(/^__(Secure|Host)-keyturn\..*; secure/i)
        else expect(cookie).to.match(/^keyturn\.(?!.*; secure)/i)
        if (cookie.startsWith('__Host-')) expect(cookie).to.match(/; path=\/;/)
      }
      const [host, step] = https ? ['__Host-', '__Secure-'] : ['', '']
      expect(
        [...names],
        'no other host of the domain can set the first (RFC 6265bis §4.1.3.2)',
      ).to.include.members([
        `${host}keyturn.default.session`,
        `${host}keyturn.default.session.sig`,
        `${host}keyturn.default.known`,
        `${step}keyturn.default.interaction`,
      ])
    })

    if (https) {
      it('protect the session from cookies planted by another host of the domain (C6)', async () => {
        await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
        await furnish(server, 'acme')
        const acme = { ...server, issuer: `${at}/t/acme` }
        const [attacker, victim] = [createUserAgent(), createUserAgent()]
        await signIn(acme, web, {}, attacker)
        const silently = async (agent: typeof victim) =>
          [
            ...((await arrive(acme, web, { prompt: 'none' }, agent)).page.location?.searchParams ??
              []),
          ][0]?.[0]
        expect(await silently(attacker)).to.equal('code')
        for (const cookie of await attacker.cookies(`${acme.issuer}/account`)) {
          if (!cookie.key.startsWith('__Host-')) await victim.jar.setCookie(cookie, acme.issuer)
          // Under the name that the server uses internally.
          else if (/session/.test(cookie.key)) {
            const named = `__Secure-keyturn.acme.session.sig=${cookie.value}; Path=/t/acme; Secure`
            await victim.jar.setCookie(named, acme.issuer)
          }
        }
        expect((await victim.cookies(`${acme.issuer}/account`)).length).to.be.greaterThan(1)
        expect(await silently(victim)).to.equal('error')
        // Browsers send a cookie with a longer path first.
        const first = '__Secure-keyturn.acme.session=planted; Path=/t/acme/authorize; Secure'
        await victim.jar.setCookie(first, acme.issuer)
        await signIn(acme, web, {}, victim)
        expect(await silently(victim), 'does not hide the real session').to.equal('code')
      })
    }

    it('are set on a form_post answer, whose scripts are files of this server', async () => {
      const agent = createUserAgent()
      const url = authorizeUrl({ ...server, issuer: at }, web, {
        response_mode: 'form_post',
        prompt: 'none',
      })
      const page = await agent.get(url)
      expect(page.root.querySelector('form')?.getAttribute('action')).to.equal(web.redirect_uris[0])
      expectGuarded(page.headers, 'form_post', https)
      expect(page.headers.get('content-security-policy')).to.match(/script-src 'self';/)
      expect(page.root.querySelectorAll('script').map((each) => each.textContent)).to.deep.equal([
        '',
        '',
      ])
    })

    it('are set on preflights of the key set (K-23)', async () => {
      const page = await exchange({
        method: 'OPTIONS',
        url: new URL(`${at}/jwks`),
        headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET' },
      })
      expect(page.status).to.equal(204)
      expectGuarded(page.headers, 'preflight', https)
    })
  })
}
