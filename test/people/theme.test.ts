import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { temporaryFolder } from '../support/child.ts'
import { alice, callback, furnish, web } from '../support/fixtures.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { complaintsOf } from './site.ts'
import { arrive, arriveSignedIn, expectFault } from './story.ts'

/** One pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const hostileSvg =
  '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=1"><script>document.title=1</script>' +
  '<image href="https://evil.example/x.png"/></svg>'

describe('people: the theme and the logos of clients', () => {
  let server: TestServer
  let host: Server
  let origin: string
  /** Requests to the host of the logos. */
  const asked: { url: string; headers: Record<string, unknown> }[] = []

  before(async () => {
    host = createServer((request, response) => {
      asked.push({ url: request.url ?? '', headers: { ...request.headers } })
      if (request.url === '/logo.png') response.end(png)
      else if (request.url === '/large.png')
        response.end(Buffer.concat([png, Buffer.alloc(70_000)]))
      else if (request.url === '/logo.svg') response.end(hostileSvg)
      else if (request.url === '/moved.png')
        response.writeHead(302, { location: '/logo.png' }).end()
      else response.writeHead(500, { 'content-type': 'image/png' }).end(png)
    })
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
    const logo = join(await temporaryFolder('theme'), 'logo.svg')
    await writeFile(logo, hostileSvg)
    server = await boot(anyStorage, {
      THEME_NAME: 'Harbour <ID>',
      THEME_LOGO_FILE: logo,
      THEME_ACCENT: '#6B21A8',
      ALLOW_LOOPBACK_FETCH: 'on',
    })
    await furnish(server)
    for (const file of ['logo.png', 'large.png', 'logo.svg', 'moved.png', 'broken.png']) {
      await server.core.clients.declare(defaultTenant, {
        client_id: file,
        client_name: `Client of ${file}`,
        redirect_uris: [callback],
        token_endpoint_auth_method: 'none',
        logo_uri: `${origin}/${file}`,
        client_uri: 'https://client.example/',
        policy_uri: 'https://client.example/privacy',
        tos_uri: 'https://client.example/terms',
      })
    }
  })
  after(async () => {
    host?.close()
    await server?.stop()
  })

  const pictureOf = async (agent: UserAgent, page: { url: URL }) =>
    agent.get(`${page.url.href}/logo`)

  it('are served by us: the logo with the type of its content, and harmless when opened directly (C12, ASVS 3.2.1)', async () => {
    const agent = createUserAgent()
    const { page } = await arrive(server, web, {}, agent)
    expect(page.root.querySelector('.kt-brand')?.textContent).to.equal('Harbour <ID>')
    const source = page.root.querySelector('img.kt-logo')?.getAttribute('src') ?? ''
    const logo = await agent.get(new URL(source, server.issuer))
    expect(logo.headers.get('content-type')).to.equal('image/svg+xml')
    expect(logo.headers.get('x-content-type-options')).to.equal('nosniff')
    expect(logo.headers.get('content-security-policy')).to.equal(
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; object-src 'none'; " +
        "frame-ancestors 'none'; sandbox",
    )
    expect(logo.headers.get('cache-control')).to.include('immutable')
    const icon = await agent.get(`${server.issuer}/favicon.ico`)
    expect(icon.body).to.equal(hostileSvg)
    const sheets = page.root.querySelectorAll('link[rel=stylesheet]')
    const sheet = await agent.get(new URL(sheets[1]?.getAttribute('href') ?? '', server.issuer))
    expect(sheet.body).to.include('--kt-accent: #6b21a8;')
  })

  it("show the client's logo at consent: our copy, fetched once and without data of the user", async () => {
    const { agent, page } = await arriveSignedIn(server, { client_id: 'logo.png' })
    expect(page.headers.get('content-security-policy')).to.include("img-src 'self';")
    const path = page.root.querySelector('#client-logo')?.getAttribute('src')
    expect(path).to.equal(`${page.url.pathname}/logo`)
    const links = page.root.querySelectorAll('main a').map((link) => link.getAttribute('href'))
    expect(links).to.deep.equal(
      ['', 'privacy', 'terms'].map((file) => `https://client.example/${file}`),
    )
    for (const _ of [1, 2, 3]) {
      const picture = await pictureOf(agent, page)
      expect(picture.status).to.equal(200)
      expect(picture.headers.get('content-type')).to.equal('image/png')
      expect(picture.headers.get('x-content-type-options')).to.equal('nosniff')
    }
    const requests = asked.filter(({ url }) => url === '/logo.png')
    expect(requests, 'fetched once').to.have.length(1)
    expect(requests[0]?.headers).to.have.all.keys('accept', 'host', 'connection')
  })

  for (const [file, why] of [
    ['large.png', 'too large'],
    ['logo.svg', 'a document'],
    ['moved.png', 'a redirect'],
    ['broken.png', 'an error'],
  ] as const) {
    it(`show no logo for ${why}; consent continues without it (C11)`, async () => {
      const { agent, page } = await arriveSignedIn(server, { client_id: file })
      expectFault(await pictureOf(agent, page), 404, /no such page/)
      const allowed = await agent.follow(await agent.submit(page))
      expect(allowed.location?.searchParams.get('code')).to.be.a('string')
    })
  }

  it('are fetched only for the client of a running interaction', async () => {
    const before = asked.length
    const { page } = await arriveSignedIn(server, { client_id: 'logo.png' })
    expectFault(await pictureOf(createUserAgent(), page), 400, /expired/)
    const without = await arriveSignedIn(server, web)
    expect(without.page.root.querySelector('#client-logo')).to.equal(null)
    expectFault(await pictureOf(without.agent, without.page), 404, /no such page/)
    expect(asked.length).to.equal(before)
  })

  describe('in Chromium', () => {
    const open = inChromium()

    it('look right: no script of the logo runs, nothing is blocked, nothing is requested from other hosts', async () => {
      for (const colorScheme of ['light', 'dark'] as const) {
        for (const width of [360, 1280]) {
          const tab = await open({ colorScheme, viewport: { width, height: 800 } })
          const complaints = complaintsOf(tab)
          const elsewhere: string[] = []
          tab.on('request', (request) => {
            if (!request.url().startsWith(server.issuer)) elsewhere.push(request.url())
          })
          await tab.goto(authorizeUrl(server, { client_id: 'logo.png' }).href)
          const shot = async (name: string) => {
            const folder = process.env['SCREENSHOTS']
            const file = `${name}-${colorScheme}-${width}.png`
            if (folder) await tab.screenshot({ path: join(folder, file), fullPage: true })
            const wide = await tab.evaluate('document.documentElement.scrollWidth')
            expect(wide, 'no overflow').to.be.at.most(width)
          }
          expect(await tab.title()).to.equal('Sign in · Harbour <ID>')
          const colour = await tab.evaluate(
            'getComputedStyle(document.querySelector("#sign-in")).backgroundColor',
          )
          const expected = { light: 'rgb(107, 33, 168)', dark: undefined }[colorScheme]
          if (expected) expect(colour).to.equal(expected)
          else expect(colour).not.to.equal('rgb(126, 211, 198)')
          await shot('sign-in')
          await tab.fill('#username', alice.email)
          await tab.fill('#password', alice.password)
          await tab.click('#sign-in')
          await tab.waitForSelector('#allow')
          await tab.waitForFunction('document.querySelector("#client-logo").complete')
          const drawn = await tab.evaluate('document.querySelector("#client-logo").naturalWidth')
          expect(drawn).to.equal(1)
          await shot('consent')
          expect(complaints).to.deep.equal([])
          expect(elsewhere).to.deep.equal([])
        }
      }
    })
  })
})
