import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { messagesOf } from '../../src/interaction/pages/messages.ts'
import { faultsOf, keyboardFaults, narrowFaults } from '../support/accessibility.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { everyPage } from '../support/every-page.ts'

/** All pages, including those that no other test visits; test/interaction checks that the list is complete. */
describe('people: accessibility of every page (WCAG 2.2 AA)', () => {
  const open = inChromium()
  const server = booted(anyStorage)
  let tab: Tab

  before(async () => {
    tab = await open()
  })

  for (const language of ['en', 'de'] as const) {
    const context = { messages: messagesOf(language), basePath: '', theme: { name: 'Keyturn' } }
    for (const [name, markup] of Object.entries(everyPage(context, 'example'))) {
      it(`${name} [${language}]`, async () => {
        // The page replaces a response of the server, so that the server's style sheet and scripts load.
        const address = `${server.issuer}/pages-of-a-test/${name}`
        await tab.route(address, (route) =>
          route.fulfill({ body: markup, contentType: 'text/html' }),
        )
        await tab.goto(address)
        expect(await narrowFaults(tab)).to.deep.equal([])
        // The structure of a page does not depend on the language.
        if (language !== 'en') return
        expect(await faultsOf(tab)).to.deep.equal([])
        expect(await keyboardFaults(tab)).to.deep.equal([])
      })
    }
  }
})
