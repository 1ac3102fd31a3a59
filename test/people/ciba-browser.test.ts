import { expect } from 'chai'
import type { Browser, Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { launchBrowser } from '../support/browser.ts'
import { askForResult, bank, startRequest } from '../support/ciba.ts'
import { alice, api, furnish } from '../support/fixtures.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

describe('people: answering a request in Chromium (CIBA)', function () {
  this.timeout(60_000)
  let server: TestServer
  let browser: Browser | undefined

  before(async function () {
    browser = await launchBrowser()
    if (!browser) this.skip()
    server = await boot(anyStorage)
    await furnish(server)
    remember(bank.client_secret)
    await server.core.clients.declare('default', bank)
  })
  after(async () => {
    await browser?.close()
    await server?.stop()
  })

  /** Nothing sticks out to the side. */
  async function expectToFit(tab: Tab): Promise<void> {
    const overhang = await tab.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    expect(overhang).to.equal(0)
  }

  for (const { width, button, javaScriptEnabled } of [
    { width: 360, button: 'allow', javaScriptEnabled: true },
    { width: 360, button: 'deny', javaScriptEnabled: false },
    { width: 1280, button: 'allow', javaScriptEnabled: false },
  ] as const) {
    it(`signs in, finds it on the account page and presses ${button}, ${width} px wide, ${javaScriptEnabled ? 'with' : 'without'} script (K-09)`, async () => {
      if (!browser) throw new Error('no browser')
      const binding_message = 'W'.repeat(60)
      const scope = 'openid email offline_access orders:read'
      const request = await startRequest(server, { scope, resource: api, binding_message })
      const viewport = { width, height: 800 }
      const context = await browser.newContext({ javaScriptEnabled, viewport })
      const tab = await context.newPage()
      const complaints = complaintsOf(tab)
      await tab.goto(`${server.issuer}/account`)
      await tab.fill('#username', alice.email)
      await tab.fill('#password', alice.password)
      await tab.click('#sign-in')
      await tab.waitForSelector('#requests')
      await expectToFit(tab)
      await tab.click('#requests a.kt-request')
      await tab.waitForSelector('#request-form')
      expect(await tab.textContent('#binding-message')).to.equal(binding_message)
      await expectToFit(tab)
      await tab.click(`#${button}`)
      const outcome = await tab.getAttribute('#request-outcome', 'data-outcome')
      expect(outcome).to.equal(button === 'allow' ? 'allowed' : 'denied')
      const result = await askForResult(server, request)
      if (button === 'allow') tokensIn(result)
      else expectRefusal(result, 400, 'access_denied')
      expect(complaints).to.deep.equal([])
      await context.close()
    })
  }
})
