import { expect } from 'chai'
import { generateKeyPair, SignJWT } from 'jose'
import type { Page as Tab } from 'playwright-core'
import { inChromium } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { storageWithKeyFile } from '../support/sealed.ts'
import { answers, type Demo, freePorts, startDemo } from './demo.ts'

const alice = { email: 'alice@example.com', password: 'correct horse battery staple' }

describe('examples: the demo', () => {
  let demo: Demo
  let ports: Record<string, string> = {}

  before(async () => {
    ports = await freePorts()
    // Its first start on an empty folder is covered by demo.test.ts.
    const { DATA_DIR: folder = '' } = await storageWithKeyFile('embedded')
    demo = await startDemo(folder, ports)
  })
  after(async () => {
    // Leaves no process behind, even if stopping fails.
    await demo?.child.stop('SIGKILL')
    await eventually('all programs are gone', async () => {
      const left = await Promise.all(Object.values(ports).map(answers))
      return !left.includes(true)
    })
  })

  /** Presses the sign-in button of the app, and completes the pages of Keyturn. */
  async function signIn(tab: Tab, app: string): Promise<void> {
    await tab.goto(app)
    await tab.click('#sign-in')
    await tab.waitForSelector('#username, #allow, #person')
    if (await tab.$('#username')) {
      await tab.fill('#username', alice.email)
      await tab.fill('#password', alice.password)
      await tab.click('#sign-in')
      await tab.waitForSelector('#allow, #person')
    }
    if (await tab.$('#allow')) await tab.click('#allow')
    await tab.waitForSelector('#person')
    expect(await tab.textContent('#person')).to.equal('Hello, Alice Example')
  }

  const event = (tab: Tab, text: string) =>
    tab.waitForSelector(`.event:first-child >> text=${text}`)

  describe('the server-rendered app', () => {
    const open = inChromium()

    /** The latest message of the page after a button was pressed. */
    async function press(tab: Tab, button: string): Promise<string> {
      await Promise.all([tab.waitForNavigation(), tab.click(`#${button}`)])
      return (await tab.textContent('#last')) ?? ''
    }
    const claim = (tab: Tab, name: string) =>
      tab.textContent(`#access-token .claims > div:has(dt:text-is("${name}")) > dd`)

    it('signs in, calls the API, refreshes, and signs out there and at Keyturn', async () => {
      const tab = await open()
      await signIn(tab, demo.webApp)
      expect(await press(tab, 'place')).to.match(/Place: 201.*A box of tea/s)
      expect(await press(tab, 'read')).to.match(/Read: 200.*"state":"placed"/s)
      expect(await press(tab, 'refund')).to.match(/Refund: 200.*"state":"refunded"/s)

      const [jti, fid] = [await claim(tab, 'jti'), await claim(tab, 'fid')]
      const printed = await press(tab, 'refresh')
      expect(printed).to.include(`${jti} → ${await claim(tab, 'jti')}`)
      expect(await claim(tab, 'jti')).to.not.equal(jti)
      expect(await claim(tab, 'fid')).to.equal(fid)
      expect(await tab.textContent('#access-token .expiry')).to.match(/Expires in (9|10) min/)
      expect(await tab.evaluate('document.cookie'), 'scripts cannot read the cookie').to.equal('')

      await tab.click('#sign-out')
      await tab.waitForURL((url) => url.origin === demo.issuer)
      await tab.click('#sign-out')
      await tab.waitForURL(`${demo.webApp}/`)
      await tab.click('#sign-in')
      await tab.waitForSelector('#username')
    })

    it('ends its session when its tokens were revoked', async () => {
      const tab = await open()
      await signIn(tab, demo.webApp)
      await press(tab, 'place')
      expect(await press(tab, 'revoke')).to.match(/Revoked.*the family/s)
      await tab.click('#refund')
      await tab.waitForSelector('#notice')
      expect(await tab.textContent('#notice')).to.match(/Your access was ended/)
    })
  })

  describe('the browser app', () => {
    const open = inChromium()

    it('keeps the refresh token from scripts, and the access token only in memory', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      const [cookie, ...others] = (await tab.context().cookies(demo.browserApp)).filter(
        ({ name }) => name.startsWith('browser-app'),
      )
      expect(others).to.deep.equal([])
      expect(cookie).to.include({ httpOnly: true, sameSite: 'Strict' })
      // Encrypted: a JWE instead of a signed token or a refresh token.
      expect(cookie?.value).to.match(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/)
      const seen = await tab.evaluate(
        '[document.cookie, localStorage.length, sessionStorage.length, indexedDB.databases().then((all) => all.length)]',
      )
      expect(seen).to.deep.include.members(['', 0])
    })

    it('recovers after a reload, refreshes and calls the API', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      await event(tab, 'Got a token for this page')
      await tab.reload()
      await event(tab, 'Got a token for this page')
      await tab.click('#place')
      await event(tab, 'Place: 201')
      await tab.click('#refund')
      await event(tab, 'Refund: 200')
      await tab.click('#refresh')
      await event(tab, 'Refreshed')
      expect(await tab.textContent('.event:first-child')).to.match(/[\w-]{10} → [\w-]{10}/)
      expect(await tab.textContent('#expiry')).to.match(/Expires in (9|10) min/)
    })

    it('keeps both tabs signed in when they refresh concurrently, with and without Web Locks', async () => {
      const one = await open()
      await signIn(one, demo.browserApp)
      const other = await one.context().newPage()
      await other.goto(demo.browserApp)
      await other.waitForSelector('#person')
      for (let round = 0; round < 3; round++) {
        await Promise.all([one, other].map((tab) => tab.click('#refresh')))
      }
      // Without Web Locks: concurrent requests with the same refresh token.
      const rude =
        "fetch('/bff/token',{method:'POST',headers:{'X-Token-Handler':'1'}}).then((r)=>r.status)"
      const statuses = await Promise.all([one, other, one, other].map((tab) => tab.evaluate(rude)))
      expect(statuses).to.deep.equal([200, 200, 200, 200])
      for (const tab of [one, other]) {
        await tab.reload()
        await tab.waitForSelector('#person:visible')
      }
    })

    it('repeats a response that was lost', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      const cookies = await tab.context().cookies(demo.browserApp)
      const Cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
      const ask = async () => {
        const answer = await fetch(`${demo.browserApp}/bff/token`, {
          method: 'POST',
          headers: { 'X-Token-Handler': '1', Origin: demo.browserApp, Cookie },
        })
        return (await answer.json()) as Record<string, unknown>
      }
      // The first response and its cookie never arrive.
      const [lost, again] = [await ask(), await ask()]
      expect(again).to.deep.include({
        access_token: lost['access_token'],
        refresh_token_name: lost['refresh_token_name'],
      })
      await tab.reload()
      await tab.waitForSelector('#person:visible')
    })

    it('shows an error when its token handler is unreachable', async () => {
      const tab = await open()
      await tab.route('**/bff/token', (route) => route.abort())
      await tab.goto(demo.browserApp)
      await tab.waitForSelector('#notice:visible')
      expect(await tab.textContent('#notice')).to.include('Reload the page to try again')
    })

    it('shows that the API refuses a revoked token at once where it matters', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      await tab.click('#place')
      await event(tab, 'Place: 201')
      await tab.click('#revoke')
      await event(tab, 'Revoked')
      await tab.click('#refund')
      await tab.waitForSelector('#notice:visible')
      const story = (await tab.textContent('#story')) ?? ''
      expect(story).to.match(/(Read|Refund): 401.*Bearer realm="orders", error="invalid_token"/s)
      await tab.reload()
      await tab.waitForSelector('#sign-in:visible')
    })

    it('signs out in all tabs, and at Keyturn', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      const other = await tab.context().newPage()
      await other.goto(demo.browserApp)
      await other.waitForSelector('#person:visible')
      await tab.click('#sign-out')
      await other.waitForSelector('#notice:visible')
      await tab.waitForURL((url) => url.origin === demo.issuer)
      await tab.click('#sign-out')
      await tab.waitForURL(`${demo.browserApp}/`)
      await tab.click('#sign-in')
      await tab.waitForSelector('#username')
    })
  })

  describe('both apps', () => {
    const open = inChromium()

    it('sign out everywhere: the web app is notified, the browser app gets no token', async () => {
      const web = await open()
      await signIn(web, demo.webApp)
      const [page, account] = [await web.context().newPage(), await web.context().newPage()]
      await signIn(page, demo.browserApp)
      await account.goto(`${demo.issuer}/account`)
      await account.click('#sign-out-everywhere')
      // The tab of the web app updates without interaction.
      await web.waitForSelector('#notice')
      expect(await web.textContent('#notice')).to.include('ended at the authorization server')
      await page.click('#refresh')
      await page.waitForSelector('#notice:visible')
    })

    it('can be used with the keyboard alone', async () => {
      const tab = await open()
      await signIn(tab, demo.browserApp)
      await event(tab, 'Got a token for this page')
      const reached: unknown[] = []
      for (let i = 0; i < 8; i++) {
        await tab.keyboard.press('Tab')
        reached.push(await tab.evaluate('document.activeElement.id'))
      }
      expect(reached).to.include.members([
        'sign-out',
        'place',
        'read',
        'refund',
        'refresh',
        'revoke',
      ])
      await tab.focus('#place')
      await tab.keyboard.press('Enter')
      await event(tab, 'Place: 201')
    })
  })

  describe('against other sites', () => {
    const headers = { 'X-Token-Handler': '1' }

    it('gives tokens only to the page of the browser app', async () => {
      const ask = (more: Record<string, string>) =>
        fetch(`${demo.browserApp}/bff/token`, { method: 'POST', headers: more })
      expect((await ask({})).status).to.equal(403)
      expect((await ask({ ...headers, Origin: demo.webApp })).status).to.equal(403)
      expect((await ask({ Origin: demo.browserApp })).status).to.equal(403)
      expect((await ask({ ...headers, Origin: demo.browserApp })).status).to.equal(401)
    })

    it('accepts forms and authorization responses only from their own origin', async () => {
      const post = (path: string, more: Record<string, string>) =>
        fetch(`${demo.webApp}${path}`, { method: 'POST', headers: more, redirect: 'manual' })
      expect((await post('/sign-out', {})).status).to.equal(403)
      expect((await post('/call/place', { Origin: demo.browserApp })).status).to.equal(403)
      expect((await fetch(`${demo.webApp}/callback?code=x&state=y`)).status).to.equal(400)
      const planted = await fetch(`${demo.browserApp}/bff/callback?code=x&state=y`, {
        redirect: 'manual',
      })
      expect(planted.headers.get('location')).to.equal('/?refused')
    })

    it('refuses invalid logout tokens', async () => {
      for (const token of ['', 'x.y.z', await forged()]) {
        const answer = await fetch(`${demo.webApp}/backchannel-logout`, {
          method: 'POST',
          body: new URLSearchParams({ logout_token: token }),
        })
        expect(answer.status).to.equal(400)
      }
    })
  })

  /** A logout token that is valid except for its key. */
  async function forged(): Promise<string> {
    const { privateKey } = await generateKeyPair('RS256')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    return new SignJWT({ events, sid: 'any', jti: 'any' })
      .setProtectedHeader({ alg: 'RS256', typ: 'logout+jwt' })
      .setIssuer(demo.issuer)
      .setAudience('web-app')
      .setIssuedAt()
      .setExpirationTime('2m')
      .sign(privateKey)
  }
})
