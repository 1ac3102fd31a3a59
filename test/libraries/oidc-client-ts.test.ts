import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { BrowserContext, Route, Page as Tab } from 'playwright-core'
import { complaintsOf } from '../people/site.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { type Application, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

/** The file for a script element, which the package ships beside its modules. */
const bundle = fileURLToPath(
  new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts')),
)

/** The application's script in the browser; tests use its `manager`. */
const script = (server: string) => `
const issuer = '${server}'
const app = location.origin
const settings = {
  authority: issuer,
  client_id: 'browser-app',
  redirect_uri: app + '/callback',
  silent_redirect_uri: app + '/silent',
  post_logout_redirect_uri: app + '/signed-out',
  scope: 'openid profile email',
  userStore: new oidc.WebStorageStateStore({ store: localStorage }),
  loadUserInfo: true,
  revokeTokenTypes: ['access_token', 'refresh_token'],
}
const bound = {
  ...settings,
  client_id: 'bound-app',
  dpop: { store: new oidc.IndexedDbDPoPStore(), bind_authorization_code: true },
  loadUserInfo: false,
}
const start = location.pathname === '/bound' || sessionStorage.bound ? bound : settings
if (start === bound) sessionStorage.bound = 'yes'
const manager = new oidc.UserManager(start)
const done = {
  '/callback': () => manager.signinRedirectCallback(),
  '/silent': () => manager.signinSilentCallback(),
  '/signed-out': () => manager.signoutRedirectCallback(),
}[location.pathname]?.() ?? Promise.resolve()
done.then(() => { document.title = 'ready' }, (error) => { document.title = String(error) })
`

/** The members of the library's user that are used here. */
interface User {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
  profile: Record<string, unknown>
}

describe('oidc-client-ts in Chromium, on another site than the server', () => {
  let server: TestServer
  let application: Application
  const open = inChromium()
  let context: BrowserContext

  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    application = await startApplication()
    await declareAsDocumented(server, 'oidc-client-ts', {
      'https://app.example.com': application.origin,
    })
    const { app } = application
    app.get('/library.js', (_request, response) => response.sendFile(bundle))
    app.get('/app.js', (_request, response) => {
      response.type('js').send(script(server.issuer))
    })
    app.use((_request, response) => {
      response.send(
        '<!doctype html><link rel="icon" href="data:,"><body id="app"><script src="/library.js"></script><script src="/app.js"></script>',
      )
    })
  })
  beforeEach(async () => {
    context = (await open()).context()
  })
  after(async () => {
    application?.stop()
    await server?.stop()
  })

  const at = (path: string) => application.origin + path
  const ready = (tab: Tab) =>
    eventually('the page is ready', async () => (await tab.title()) !== '', { every: 50 }).then(
      async () => expect(await tab.title()).to.equal('ready'),
    )
  const inPage = <T>(tab: Tab, expression: string) => tab.evaluate<T>(expression)
  /** Removes the functions of a user object, so that it can be returned from the page. */
  const asData = (expression: string) =>
    `${expression}.then((user) => user && JSON.parse(JSON.stringify({ ...user, expires_in: user.expires_in })))`
  const userIn = (tab: Tab) => inPage<User>(tab, asData('manager.getUser()'))
  const leave = (tab: Tab, call: string) => inPage(tab, `void ${call}`)

  async function signIn(path = '/'): Promise<{ tab: Tab; complaints: string[] }> {
    const tab = await context.newPage()
    const complaints = complaintsOf(tab)
    await tab.goto(at(path))
    await ready(tab)
    await leave(tab, 'manager.signinRedirect()')
    await tab.fill('#username', alice.email)
    await tab.fill('#password', alice.password)
    await tab.click('#sign-in')
    // An application that was allowed before is back already.
    await tab.waitForSelector('#allow, #app', { state: 'attached' })
    if (await tab.$('#allow')) await tab.click('#allow')
    await tab.waitForURL((url) => url.origin === application.origin)
    await ready(tab)
    return { tab, complaints }
  }
  const userinfoStatus = (tab: Tab, token: string) =>
    inPage<number>(
      tab,
      `fetch(issuer + '/userinfo', { headers: { authorization: 'Bearer ${token}' } }).then(({ status }) => status)`,
    )

  it('signs in, renews automatically, revokes, signs out and signs in again (K-20, K-23, K-40, K-41, P-069)', async () => {
    const { tab, complaints } = await signIn()
    const first = await userIn(tab)
    expect(first.profile).to.include({ email: alice.email, name: alice.name })
    expect(await userinfoStatus(tab, first.access_token)).to.equal(200)

    const renewed = await inPage<User>(
      tab,
      asData(`(async () => {
        const eager = { ...settings, accessTokenExpiringNotificationTimeInSeconds: 599 }
        const renewing = new oidc.UserManager(eager)
        const loaded = new Promise((resolve) => renewing.events.addUserLoaded(resolve))
        await renewing.getUser()
        return loaded.finally(() => renewing.stopSilentRenew())
      })()`),
    )
    expect(renewed.refresh_token).to.be.a('string').and.not.equal(first.refresh_token)
    expect(renewed.access_token).not.to.equal(first.access_token)

    await inPage(tab, 'manager.revokeTokens()')
    expect(complaints).to.deep.equal([])
    expect(await userinfoStatus(tab, renewed.access_token)).to.equal(401)

    await leave(tab, 'manager.signoutRedirect()')
    await tab.click('#sign-out')
    await tab.waitForURL((url) => url.href.startsWith(at('/signed-out')))
    await ready(tab)
    expect(await userIn(tab)).to.equal(null)
    await leave(tab, 'manager.signinRedirect()')
    await tab.waitForSelector('#password')
  })

  it('renews in two tabs at once, which get the same tokens and stay signed in (K-41)', async () => {
    const { tab, complaints } = await signIn()
    const other = await context.newPage()
    await other.goto(at('/'))
    await ready(other)
    const held: Route[] = []
    await context.route('**/token', async (route) => {
      held.push(route)
      if (held.length === 2) await Promise.all(held.map((each) => each.continue()))
    })
    const tabs = [tab, other]
    const users = await Promise.all(
      tabs.map((each) => inPage<User>(each, asData('manager.signinSilent()'))),
    )
    const sent = held.map((route) => new URLSearchParams(route.request().postData() ?? ''))
    expect(sent[0]?.get('refresh_token')).to.equal(sent[1]?.get('refresh_token'))
    expect(users[0]?.access_token).to.equal(users[1]?.access_token)
    expect(users[0]?.refresh_token).to.equal(users[1]?.refresh_token)

    await context.unroute('**/token')
    for (const each of tabs) {
      const next = await inPage<User>(each, asData('manager.signinSilent()'))
      expect(await userinfoStatus(each, next.access_token)).to.equal(200)
    }
    expect(complaints).to.deep.equal([])
  })

  it('needs no session iframe, and gets login_required without a refresh token (P-018)', async () => {
    const { tab, complaints } = await signIn()
    const watched = await inPage<User>(
      tab,
      asData(`(async () => {
        const watching = new oidc.UserManager({ ...settings, monitorSession: true })
        await watching.getUser()
        return watching.signinSilent()
      })()`),
    )
    expect(await userinfoStatus(tab, watched.access_token)).to.equal(200)
    expect(complaints).to.deep.equal([])

    // The hidden frame is on another site, so the browser sends no cookie with it.
    const fault = await inPage(
      tab,
      `(async () => {
        const user = await manager.getUser()
        delete user.refresh_token
        await manager.storeUser(user)
        return manager.signinSilent().then(() => 'tokens', ({ error }) => error)
      })()`,
    )
    expect(fault).to.equal('login_required')
  })

  it('binds code and tokens to a key, with nonces, and calls userinfo with proofs (P-054, K-23, K-40)', async () => {
    const { tab } = await signIn('/bound')
    const first = await userIn(tab)
    expect(first.token_type).to.equal('DPoP')
    const next = await inPage<User>(tab, asData('manager.signinSilent()'))
    expect(next.refresh_token).not.to.equal(first.refresh_token)
    const status = await inPage(
      tab,
      `(async () => {
        const user = await manager.getUser()
        const url = issuer + '/userinfo'
        const call = async (nonce) => fetch(url, { headers: {
          authorization: 'DPoP ' + user.access_token,
          dpop: await manager.dpopProof(url, user, 'GET', nonce),
        } })
        const first = await call()
        const nonce = first.headers.get('dpop-nonce')
        return first.status === 401 && nonce ? (await call(nonce)).status : first.status
      })()`,
    )
    expect(status).to.equal(200)
    expect(await userinfoStatus(tab, next.access_token), 'as a bearer token').to.equal(401)
  })
})
