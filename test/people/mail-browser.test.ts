import { expect } from 'chai'
import type { Browser, Page as Tab } from 'playwright-core'
import { boot, type TestServer } from '../support/boot.ts'
import { launchBrowser } from '../support/browser.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

const fresh = 'a raven and a writing desk 7'

describe('people: mail in Chromium, without script, with the keyboard alone', function () {
  this.timeout(60_000)
  let server: TestServer
  let browser: Browser | undefined

  before(async function () {
    browser = await launchBrowser()
    if (!browser) this.skip()
    remember(fresh)
    server = await boot('embedded')
    await furnish(server)
  })
  after(async () => {
    await browser?.close()
    await server?.stop()
  })

  /** That nothing sticks out on a narrow screen (WCAG 2.2, 1.4.10). */
  async function expectFits(tab: Tab): Promise<void> {
    for (const width of [360, 1280]) {
      await tab.setViewportSize({ width, height: 800 })
      const wide = await tab.locator('html').evaluate((root) => root.scrollWidth)
      expect(wide, `${tab.url()} at ${width}`).to.be.at.most(width)
    }
  }

  it('replaces a forgotten password, from the sign-in page to the account', async () => {
    const context = await browser?.newContext({ javaScriptEnabled: false })
    const tab = await context?.newPage()
    if (!tab) throw new Error('no browser')
    const complaints = complaintsOf(tab)
    await tab.goto(`${server.issuer}/account`)
    await tab.locator('#forgot').focus()
    await tab.keyboard.press('Enter')
    await tab.waitForURL(/\/password\/forgot/)
    await expectFits(tab)
    // The field has the focus.
    await tab.keyboard.type(alice.email)
    await tab.keyboard.press('Enter')
    await tab.waitForURL(/\/password\/sent/)
    await expectFits(tab)

    const { link = '' } = await nextMail('the mail', () => writtenMail(server))
    await tab.goto(link)
    await expectFits(tab)
    await tab.keyboard.type(fresh)
    await tab.keyboard.press('Tab')
    await tab.keyboard.type(fresh)
    await tab.keyboard.press('Enter')
    await tab.waitForURL(/\/password\/changed/)
    await expectFits(tab)
    await tab.locator('#next').press('Enter')
    await tab.locator('#username').fill(alice.email)
    await tab.locator('#password').fill(fresh)
    await tab.keyboard.press('Enter')
    await tab.waitForURL(`${server.issuer}/account`)
    await tab.locator('#email-link').press('Enter')
    await tab.waitForURL(/\/account\/email/)
    await expectFits(tab)
    expect(complaints).to.deep.equal([])
    await context?.close()
  })
})
