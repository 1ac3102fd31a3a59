import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type CryptoKey, importJWK, type JWK, SignJWT, UnsecuredJWT } from 'jose'
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  discovery,
  PrivateKeyJwt,
  tokenRevocation,
} from 'openid-client'
import { createApp } from '../../examples/api/app.ts'
import { createApp as browserApp } from '../../examples/browser-app/app.ts'
import { readSettings as browserAppSettings } from '../../examples/browser-app/settings.ts'
import { createApp as webApp } from '../../examples/web-app/app.ts'
import { createClient as createWebClient, isOver } from '../../examples/web-app/client.ts'
import { readSettings as webAppSettings } from '../../examples/web-app/settings.ts'
import { temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { answers, type Demo, freePorts, launchDemo, runExample, startDemo } from './demo.ts'

type Env = Record<string, string>
const createWebApp = (env: Env) => webApp(webAppSettings(env))
const createBrowserApp = (env: Env) => browserApp(browserAppSettings(env))

describe('examples: API, machine client, and the demo as a program', () => {
  let demo: Demo
  let ports: Record<string, string>
  let folder: string

  before(async () => {
    ports = await freePorts()
    folder = await temporaryFolder('demo')
    demo = await startDemo(folder, ports)
  })
  after(() => demo?.child.stop())

  async function machine() {
    const env = await demo.envOf('machine')
    const jwk = JSON.parse(await readFile(env['KEY_FILE'] ?? '', 'utf8')) as JWK
    const key = (await importJWK(jwk, 'ES256')) as CryptoKey
    const auth = PrivateKeyJwt({ key, kid: jwk.kid ?? '' })
    const config = await discovery(new URL(demo.issuer), 'nightly-report', {}, auth, {
      execute: [allowInsecureRequests],
    })
    return { config, key }
  }

  async function ask(path: string, authorization?: string, init: RequestInit = {}) {
    const response = await fetch(`${demo.api}${path}`, {
      ...init,
      headers: { ...init.headers, ...(authorization && { Authorization: authorization }) },
    })
    return { status: response.status, challenge: response.headers.get('www-authenticate') }
  }

  it('the API explains its refusals (RFC 6750)', async () => {
    const { config, key } = await machine()
    const { access_token: token } = await clientCredentialsGrant(config, { scope: 'orders:report' })
    const claims = { scope: 'orders:read', client_id: 'web-app', sub: 'alice', jti: 'x' }
    const forgedClaims = (made: UnsecuredJWT | SignJWT) =>
      made
        .setIssuer(demo.issuer)
        .setAudience('https://orders.example.com')
        .setIssuedAt()
        .setExpirationTime('5m')
    const unsigned = (forgedClaims(new UnsecuredJWT(claims)) as UnsecuredJWT).encode()
    const foreign = await (forgedClaims(new SignJWT(claims)) as SignJWT)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'of nobody' })
      .sign(key)
    const invalid = /^Bearer realm="orders", error="invalid_token", error_description="[^"]+"$/

    expect(await ask('/report', `Bearer ${token}`)).to.include({ status: 200, challenge: null })
    expect(await ask('/orders')).to.deep.equal({ status: 401, challenge: 'Bearer realm="orders"' })
    for (const bad of [unsigned, foreign, `${token}x`, 'x']) {
      const { status, challenge } = await ask('/orders', `Bearer ${bad}`)
      expect(status).to.equal(401)
      expect(challenge).to.match(invalid)
    }
    const narrow = await ask('/orders', `Bearer ${token}`)
    expect(narrow.status).to.equal(403)
    expect(narrow.challenge).to.match(/error="insufficient_scope".*scope="orders:read"$/)
    const other = await ask('/orders', 'Basic abc')
    expect(other).to.deep.equal({ status: 401, challenge: 'Bearer realm="orders"' })
    expect((await ask('/orders', 'Bearer a b')).challenge).to.match(/error="invalid_request"/)

    await tokenRevocation(config, token)
    expect((await ask('/report', `Bearer ${token}`)).status, 'verified offline').to.equal(200)
  })

  it('the web app retries a refresh whose response was lost, and a token that it revokes is refused', async () => {
    const client = createWebClient(webAppSettings(await demo.envOf('web-app')))
    const { url, signIn } = await client.begin()
    const person = { username: 'alice@example.com', password: 'correct horse battery staple' }
    const first = await client.finish(await createUserAgent().walk(url, person), signIn)
    const fetched = globalThis.fetch
    let lost = 0
    globalThis.fetch = async (...args) => {
      const answer = await fetched(...args)
      if (lost++ === 0) throw new TypeError('the connection broke')
      return answer
    }
    const second = await client.refresh(first.refresh_token ?? '').finally(() => {
      globalThis.fetch = fetched
    })
    expect(lost, 'number of requests').to.equal(2)
    expect(second.refresh_token).to.be.a('string').and.not.equal(first.refresh_token)

    const bearer = `Bearer ${second.access_token}`
    const refund = () => ask('/orders/1/refund', bearer, { method: 'POST' })
    expect((await refund()).status, 'no such order').to.equal(404)
    expect((await ask('/orders', `Bearer ${second.id_token}`)).status, 'an ID token').to.equal(401)
    await client.revoke(second.refresh_token ?? '')
    // By introspection or by the feed, whichever is first.
    expect((await refund()).challenge).to.match(/error="invalid_token".*(not active|revoked)/)
    await eventually(
      'the API refuses the token',
      async () => (await ask('/orders', bearer)).status === 401,
    )
    const over = await client.refresh(second.refresh_token ?? '').catch(isOver)
    expect(over).to.equal(true)
  })

  it('the API allows the one configured origin by CORS, without cookies', async () => {
    const preflight = (origin: string) =>
      fetch(`${demo.api}/orders`, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
      })
    const allowed = (await preflight(demo.browserApp)).headers
    expect(allowed.get('access-control-allow-origin')).to.equal(demo.browserApp)
    expect(allowed.get('access-control-allow-credentials')).to.equal(null)
    const foreign = (await preflight(demo.webApp)).headers
    expect(foreign.get('access-control-allow-origin')).to.equal(null)
  })

  it('the API answers 503 while it cannot verify tokens, and recovers', async () => {
    const { config } = await machine()
    const { access_token: token } = await clientCredentialsGrant(config, { scope: 'orders:report' })
    let away = true
    // For a while nothing listens at the address of the issuer.
    const app = createApp({
      port: 0,
      issuer: demo.issuer,
      audience: 'https://orders.example.com',
      clientId: 'orders-api',
      clientSecret: 'not needed offline',
      allowedOrigins: [],
    })
    const [fetched, say] = [globalThis.fetch, console.error]
    console.error = () => undefined
    globalThis.fetch = (...args) => (away ? Promise.reject(new Error('away')) : fetched(...args))
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const call = () =>
      fetched(`http://127.0.0.1:${port}/report`, { headers: { Authorization: `Bearer ${token}` } })
    try {
      const refused = await call()
      expect(refused.status).to.equal(503)
      expect(refused.headers.get('retry-after')).to.equal('2')
      away = false
      await eventually('the call succeeds again', async () => (await call()).status === 200)
    } finally {
      globalThis.fetch = fetched
      console.error = say
      server.closeAllConnections()
      server.close()
    }
  })

  it('the apps restrict their cookies to https and to their host if they use https', async () => {
    for (const [name, create, path] of [
      ['web-app', createWebApp, '/sign-in'],
      ['browser-app', createBrowserApp, '/bff/sign-in'],
    ] as const) {
      const env = { ...(await demo.envOf(name)), BASE_URL: 'https://app.example.com' }
      const server = create(env).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const { port } = server.address() as AddressInfo
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' })
      server.close()
      const { searchParams } = new URL(answer.headers.get('location') ?? '')
      expect(searchParams.get('redirect_uri')).to.match(/^https:\/\/app\.example\.com\//)
      const [cookie = ''] = answer.headers.getSetCookie()
      expect(cookie).to.match(/^__Host-/)
      expect(cookie.split('; ').slice(1)).to.include.members([
        'path=/',
        'samesite=lax',
        'secure',
        'httponly',
      ])
    }
  })

  it('the machine client runs on its own, with the environment that the demo wrote', async () => {
    const file = join(folder, 'machine.env')
    const child = await runExample([`--env-file=${file}`, 'examples/machine/main.ts'])
    expect(await child.exit).to.include({ code: 0 })
    expect(child.stdout()).to.equal(
      'machine: nightly-report reports 0 orders, 0 of them refunded\n',
    )
  })

  it('names the setting that changes a port in use', async () => {
    const free = await freePorts()
    const taken = { ...free, WEB_APP_PORT: ports['WEB_APP_PORT'] ?? '' }
    const child = await launchDemo(await temporaryFolder('demo'), taken)
    expect(await child.exit).to.include({ code: 1 })
    expect(child.stderr()).to.match(/Port \d+ for web-app is in use/)
    expect(child.stderr()).to.match(/WEB_APP_PORT=\d+ npm run demo/)
    const wrong = await launchDemo(folder, { ...free, API_PORT: 'many' })
    await wrong.exit
    expect(wrong.stderr()).to.include('API_PORT: expected a port from 1 to 65535, got "many"')
  })

  it('shows the error of Keyturn if it cannot start', async () => {
    // Another demo uses this folder.
    const child = await launchDemo(folder, await freePorts())
    expect(await child.exit).to.include({ code: 1 })
    expect(child.stderr()).to.match(/demo: Keyturn did not start\. Its output:\nkeyturn: /)
    expect((await demo.envOf('web-app'))['PORT'], 'unchanged').to.equal(ports['WEB_APP_PORT'])
  })

  it('stops everything on Ctrl-C, and starts again with the same data', async () => {
    // A terminal sends the signal to every process of the group.
    process.kill(-demo.child.pid, 'SIGINT')
    expect(await demo.child.exit).to.include({ code: 0 })
    expect(demo.child.stdout()).to.match(/6 created, 0 updated, 0 unchanged.*Stopped\.\n$/s)
    for (const port of Object.values(ports)) expect(await answers(port)).to.equal(false)
    // Keyturn has shut down cleanly, because it got the signal only once.
    expect((await readdir(folder)).filter((name) => name.startsWith('lock-'))).to.deep.equal([])
    demo = await startDemo(folder, ports, ['--without', 'api'])
    expect(demo.child.stdout()).to.include('0 created, 0 updated, 6 unchanged')
  })

  it('leaves out a part that a developer runs separately', async () => {
    expect(await answers(ports['API_PORT'])).to.equal(false)
    const [, command = ''] = /--watch (--env-file.*)$/m.exec(demo.child.stdout()) ?? []
    const api = await runExample(command.split(' '))
    try {
      await eventually('the API answers', () => answers(ports['API_PORT']))
      expect((await ask('/orders')).status).to.equal(401)
    } finally {
      await api.stop()
    }
    const wrong = await launchDemo(folder, ports, ['--without', 'all'])
    await wrong.exit
    expect(wrong.stderr()).to.include('--without: expected api, web-app, browser-app, got all')
  })

  it('stops everything if a part exits', async () => {
    const { pid } = demo.child
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const app = await find(children.trim().split(' '), 'examples/web-app/main.ts')
    process.kill(app, 'SIGKILL')
    expect(await demo.child.exit).to.include({ code: 1 })
    expect(demo.child.stderr()).to.include('demo: web-app ended.')
    for (const port of Object.values(ports)) expect(await answers(port)).to.equal(false)
  })

  async function find(pids: string[], program: string): Promise<number> {
    for (const pid of pids) {
      if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(program)) return Number(pid)
    }
    throw new Error(`none of ${pids.join(' ')} is ${program}`)
  }
})
