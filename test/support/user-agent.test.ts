import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { inChromium } from './browser.ts'
import { createUserAgent } from './user-agent.ts'

interface Seen {
  readonly method: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const CALLBACK = 'http://client.example/callback?code=abc&state=xyz'
const LOGIN = `
  <form method="post" action="login/done?x=1">
    <input type="hidden" name="csrf" value="a&amp;b">
    <input name="username"><input type="password" name="password">
    <input type="checkbox" name="remember" value="yes" checked>
    <input type="checkbox" name="news">
    <input name="off" value="1" disabled>
    <select name="lang"><option value="en">English</option><option value="de" selected>Deutsch</option></select>
    <button name="act" value="sign-in">Sign in</button>
    <button name="act" value="cancel" formaction="/cancel" formmethod="get">Cancel</button>
  </form>
  <form action="/other"><textarea name="note">hm</textarea><input type="submit" name="go" value="Go"></form>`

describe('test support: user agent', () => {
  let server: Server
  let origin: string
  let seen: Seen[]
  let routes: Record<string, (response: ServerResponse, sent: Seen) => void>

  const to = (location: string, cookie?: string) => (response: ServerResponse) => {
    const cookies = cookie === undefined ? {} : { 'set-cookie': cookie }
    response.writeHead(303, { location, ...cookies }).end()
  }
  const html =
    (body: string, headers: Record<string, string> = {}) =>
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(body)
    }

  before(async () => {
    server = createServer(async (request, response) => {
      const sent = { method: request.method, headers: request.headers, body: await text(request) }
      const path = new URL(request.url ?? '/', origin).pathname
      if (path === '/favicon.ico') return response.writeHead(404).end()
      seen.push(sent)
      const answer = routes[path]
      return answer === undefined ? response.writeHead(404).end('lost') : answer(response, sent)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://localhost:${(server.address() as AddressInfo).port}`
  })

  beforeEach(() => {
    seen = []
    routes = {
      '/auth': to('/pages/login', 'step=1; Path=/; HttpOnly; SameSite=Lax'),
      '/pages/login': html(LOGIN),
      '/pages/login/done': to('/pages/consent', 'step=2; Path=/; HttpOnly; SameSite=Strict'),
      '/pages/consent': html('<form method="post" action="/allow"><button>Allow</button></form>'),
      '/allow': to(CALLBACK),
    }
  })

  after(async () => {
    await new Promise((resolve) => server.close(resolve))
  })

  it('signs in, allows consent and stops at the client', async () => {
    const agent = createUserAgent({ origin })
    const end = await agent.walk('/auth?client_id=a', { username: 'alice', password: 'pass word' })
    expect(end.href).to.equal(CALLBACK)
    const posted = seen[2]
    expect(posted?.body).to.equal(
      'csrf=a%26b&username=alice&password=pass+word&remember=yes&lang=de&act=sign-in',
    )
    expect(posted?.headers).to.include({
      cookie: 'step=1',
      origin,
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': 'same-origin',
    })
    expect(seen[3]?.headers.cookie).to.equal('step=2')
    expect(seen).to.have.length(5)
  })

  it('presses other buttons, fills other forms and unticks', async () => {
    const agent = createUserAgent({ origin })
    const page = await agent.get('/pages/login')
    const cancelled = await agent.submit(page, {
      button: 'button[value=cancel]',
      fields: { remember: [], news: 'on', lang: 'en' },
    })
    expect(cancelled.url.href).to.equal(
      `${origin}/cancel?csrf=a%26b&username=&password=&news=on&lang=en&act=cancel`,
    )
    expect((await agent.submit(page, { form: 1 })).url.href).to.equal(
      `${origin}/other?note=hm&go=Go`,
    )
    expect(seen.map(({ method }) => method)).to.deep.equal(['GET', 'GET', 'GET'])
  })

  it('cannot do what a person cannot', async () => {
    const agent = createUserAgent({ origin })
    const page = await agent.get('/pages/login')
    expect(() => agent.submit(page, { fields: { lang: 'fr' } })).to.throw('no field lang')
    expect(() => agent.submit(page, { fields: { off: '2' } })).to.throw('no field off')
    expect(() => agent.submit(page, { form: 2 })).to.throw('no form 2')
    expect(() => agent.submit(page, { button: 2 })).to.throw('no usable button 2')
  })

  it('says where a walk is stuck', async () => {
    routes['/pages/login/done'] = html(`<p>Wrong password</p>${LOGIN}`)
    const agent = createUserAgent({ origin })
    const failure = await agent
      .walk('/auth', { username: 'alice', password: 'wrong' })
      .catch((error: unknown) => String(error))
    expect(failure).to.match(/stuck at .*login\/done\?x=1 \(200\):\nWrong password/)
  })

  it('withholds cookies from cross-site posts as SameSite says', async () => {
    const agent = createUserAgent({ origin })
    await agent.jar.setCookie('strict=1; SameSite=Strict', origin)
    await agent.jar.setCookie('lax=1; SameSite=Lax', origin)
    routes['/evil'] = html(
      `<form method="post" action="${origin}/target"><button>!</button></form>`,
    )
    const evil = await agent.get(`${origin.replace('localhost', '127.0.0.1')}/evil`)
    await agent.submit(evil)
    expect(seen.at(-1)?.headers).to.include({
      origin: evil.url.origin,
      'sec-fetch-site': 'cross-site',
    })
    expect(seen.at(-1)?.headers).to.not.have.property('cookie')
    await agent.get('/target', { from: evil })
    expect(seen.at(-1)?.headers.cookie).to.equal('lax=1')
    await agent.get('/target', { headers: { 'sec-fetch-site': null, 'accept-language': 'de' } })
    expect(seen.at(-1)?.headers).to.include({ cookie: 'strict=1; lax=1', 'accept-language': 'de' })
    expect(seen.at(-1)?.headers).to.not.have.property('sec-fetch-site')
  })

  describe('beside Chromium', () => {
    const open = inChromium()

    it('sends what it sends with a form', async () => {
      const form =
        '<form method="post" action="/done"><input name="a" value="ü"><button>x</button></form>'
      const told = ({ method, headers, body }: Seen) => [
        method,
        body,
        ...['content-type', 'origin', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site'].map(
          (name) => headers[name],
        ),
      ]
      const tab = await open()
      for (const policy of ['no-referrer', 'same-origin', 'strict-origin-when-cross-origin']) {
        routes['/form'] = html(form, { 'referrer-policy': policy })
        seen = []
        await tab.goto(`${origin}/form`)
        await Promise.all([tab.waitForURL('**/done'), tab.click('button')])
        const agent = createUserAgent({ origin })
        await agent.submit(await agent.get('/form'))
        const [, byBrowser, , byAgent] = seen.map(told)
        expect(byAgent, policy).to.deep.equal(byBrowser)
        expect(byAgent?.[3], policy).to.equal(policy === 'no-referrer' ? 'null' : origin)
      }
    })
  })
})
