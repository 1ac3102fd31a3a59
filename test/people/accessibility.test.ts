import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { messagesOf } from '../../src/interaction/pages/messages.ts'
import { faultsOf, keyboardFaults, narrowFaults } from '../support/accessibility.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { everyPage } from '../support/every-page.ts'

/** Every page there is, also those that no story comes by; test/interaction holds that none is left out. */
describe('people: every page, as whoever sees little, presses keys or has a narrow screen gets it (WCAG 2.2 AA)', () => {
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
        // The server's own style sheet and scripts, with the page in place of what the server has at that address.
        const address = `${server.issuer}/pages-of-a-test/${name}`
        await tab.route(address, (route) =>
          route.fulfill({ body: markup, contentType: 'text/html' }),
        )
        await tab.goto(address)
        expect(await narrowFaults(tab)).to.deep.equal([])
        // What a page is made of has no language.
        if (language !== 'en') return
        expect(await faultsOf(tab)).to.deep.equal([])
        expect(await keyboardFaults(tab)).to.deep.equal([])
      })
    }
  }
})
