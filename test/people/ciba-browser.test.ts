import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { askForResult, bank, startRequest } from '../support/ciba.ts'
import { alice, api, furnish } from '../support/fixtures.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { expectToFit } from '../support/tab.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

describe('people: answering a request in Chromium (CIBA)', () => {
  const open = inChromium()
  const server = booted(anyStorage, {}, furnish)

  before(async () => {
    remember(bank.client_secret)
    await server.core.clients.declare('default', bank)
  })

  for (const { width, button, javaScriptEnabled } of [
    { width: 360, button: 'allow', javaScriptEnabled: true },
    { width: 360, button: 'deny', javaScriptEnabled: false },
    { width: 1280, button: 'allow', javaScriptEnabled: false },
  ] as const) {
    it(`signs in, finds the request on the account page and presses ${button}, ${width} px wide, ${javaScriptEnabled ? 'with' : 'without'} script (K-09)`, async () => {
      const binding_message = 'W'.repeat(60)
      const scope = 'openid email offline_access orders:read'
      const request = await startRequest(server, { scope, resource: api, binding_message })
      const viewport = { width, height: 800 }
      const tab = await open({ javaScriptEnabled, viewport })
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
    })
  }
})
