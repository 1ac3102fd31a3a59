import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { api, furnish, web } from '../support/fixtures.ts'
import { tokensFor } from '../support/protocol.ts'
import { pressAndLeave } from '../support/tab.ts'
import { signedIn, somebody } from './account.story.ts'
import { complaintsOf } from './site.ts'

const sections = [
  '',
  '/profile',
  '/password',
  '/factors',
  '/sessions',
  '/applications',
  '/history',
  '/data',
]

describe('people: the account pages in Chromium, without scripts', () => {
  const open = inChromium()
  const server = booted(anyStorage, {}, furnish)

  const widthOf = (tab: Tab) => tab.locator('html').evaluate((page) => page.scrollWidth)

  it('have a link to every section, fit a phone, and end sessions and access (ASVS 7.4.4, 7.5.2)', async () => {
    const person = await somebody(server)
    const elsewhere = await signedIn(server, person, 'safari')
    await tokensFor(
      server,
      web,
      { scope: 'openid offline_access orders:read', resource: api },
      elsewhere,
    )
    const tab = await open({ javaScriptEnabled: false, viewport: { width: 360, height: 740 } })
    const complaints = complaintsOf(tab)
    await tab.goto(`${server.issuer}/account`)
    await tab.fill('#username', person.email)
    await tab.fill('#password', person.password)
    await tab.keyboard.press('Enter')
    await tab.waitForURL('**/account')

    expect(await tab.locator('nav a').count()).to.equal(sections.length)
    for (const [index, section] of sections.entries()) {
      await pressAndLeave(tab, `nav li:nth-child(${index + 1}) a`)
      expect(new URL(tab.url()).pathname).to.equal(`/account${section}`)
      expect(await widthOf(tab), section).to.be.at.most(360)
      expect(await tab.locator('nav [aria-current=page]').count()).to.equal(1)
      expect(await tab.locator('#sign-out').isVisible(), 'sign-out').to.equal(true)
    }

    await tab.goto(`${server.issuer}/account/sessions`)
    await tab.getByRole('button', { name: 'End the session of Safari on iOS' }).click()
    expect(await tab.getByRole('status').textContent()).to.match(/has ended/)
    expect((await elsewhere.get(`${server.issuer}/account`)).status).to.equal(303)
    await tab.goto(`${server.issuer}/account/applications`)
    await tab.getByRole('button', { name: `Remove the access of ${web.client_name}` }).click()
    expect(await tab.getByRole('status').textContent()).to.match(/no access/)
    expect(complaints).to.deep.equal([])
  })
})
