import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { furnish } from '../support/fixtures.ts'
import { nextMail, writtenMail } from '../support/mailbox.ts'
import { authorizeUrl, redeem, tokensIn } from '../support/protocol.ts'
import { expectToFit, widen } from '../support/tab.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf, type Site, startSite } from './site.ts'

const password = 'a raven and a writing desk 7'

describe('people: signing up in Chromium, without script, by keyboard only', () => {
  let server: TestServer
  let site: Site
  const open = inChromium()

  before(async () => {
    remember(password)
    site = await startSite()
    server = await boot('embedded')
    await furnish(server)
    await server.core.tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
  })
  after(async () => {
    await site?.stop()
    await server?.stop()
  })

  /** Expects no overflow on narrow and wide screens (WCAG 2.2, 1.4.10). */
  async function expectFits(tab: Tab): Promise<void> {
    for (const width of [360, 1280]) {
      await widen(tab, width)
      await expectToFit(tab)
    }
  }

  it('leads from an authorization request to a code, in German', async () => {
    const email = `${randomUUID()}@example.com`
    const client = {
      client_id: 'app',
      client_name: 'Example app',
      client_secret: 'a-secret-of-the-example-app',
      redirect_uris: [`${site.origin}/callback`],
      grant_types: ['authorization_code'],
    }
    await server.core.clients.declare(defaultTenant, client)
    const redirect = { redirect_uri: `${site.origin}/callback` }
    const tab = await open({ javaScriptEnabled: false, locale: 'de' })
    const complaints = complaintsOf(tab)
    await tab.goto(authorizeUrl(server, client, redirect).href)
    await expectFits(tab)
    await tab.locator('#sign-up').press('Enter')
    await tab.waitForURL(/\/sign-up$/)
    await expectFits(tab)
    // The field gets the focus with the first frame.
    await tab.waitForSelector('#email:focus')
    await tab.keyboard.type(email)
    await tab.keyboard.press('Enter')
    await tab.waitForURL(/\/sign-up\/sent/)
    await expectFits(tab)

    const mail = await nextMail(
      'the mail',
      () => writtenMail(server),
      ({ to }) => to === email,
    )
    expect(mail.subject).to.equal('Ihr Konto bei Keyturn fertigstellen')
    await tab.goto(mail.link ?? '')
    await expectFits(tab)
    await tab.locator('#name').fill('Carol')
    await tab.keyboard.press('Tab')
    await tab.keyboard.type('short')
    await tab.keyboard.press('Tab')
    await tab.keyboard.type('short')
    await tab.keyboard.press('Enter')
    await tab.locator('[role=alert]').waitFor()
    await expectFits(tab)
    await tab.waitForSelector('#new_password:focus')
    await tab.keyboard.type(password)
    await tab.keyboard.press('Tab')
    await tab.keyboard.type(password)
    await tab.keyboard.press('Enter')
    await tab.locator('#allow').press('Enter')
    await tab.waitForURL(`${site.origin}/callback?**`)
    const code = site.visits.at(-1)?.searchParams.get('code') ?? ''
    const tokens = tokensIn(await redeem(server, client, code, redirect))
    expect(tokens.id_token).to.be.a('string')

    await tab.goto(mail.link ?? '')
    await expectFits(tab)
    // A used link has status 400, which Chromium reports.
    const others = complaints.filter((line) => !/status of 400/.test(line))
    expect(others).to.deep.equal([])
  })
})
