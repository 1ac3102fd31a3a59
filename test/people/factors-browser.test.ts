import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { codeOf, somebody } from '../support/second-factor.ts'
import { expectToFit, press, pressAndLeave, typeInto } from '../support/tab.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

describe('people: second factors in Chromium', () => {
  const open = inChromium()
  const server = booted(anyStorage)

  for (const { width, javaScriptEnabled, locale } of [
    { width: 360, javaScriptEnabled: true, locale: 'de' },
    { width: 1280, javaScriptEnabled: false, locale: 'en' },
  ]) {
    it(`adds an app and signs in with it by keyboard, ${width} px wide, ${javaScriptEnabled ? 'with' : 'without'} script (K-09)`, async () => {
      const { username, password } = await somebody(server.core)
      const viewport = { width, height: 800 }
      const tab = await open({ javaScriptEnabled, viewport, locale })
      const complaints = complaintsOf(tab)

      async function givePassword(): Promise<void> {
        await typeInto(tab, '#username', username)
        await tab.fill('#password', password)
        await tab.keyboard.press('Enter')
      }

      await tab.goto(`${server.issuer}/account`)
      await givePassword()
      await tab.click('nav a[href^="/account/factors"]')
      await tab.waitForSelector('#add-factor')
      await expectToFit(tab)
      await press(tab, '#add-factor')

      await tab.waitForSelector('#otp')
      const secret = (await tab.textContent('#secret'))?.replaceAll(' ', '') ?? ''
      remember(secret)
      const isDrawn =
        '(() => { const i = document.querySelector("#qr-code"); return i.complete && i.naturalWidth > 0 })()'
      // Polls from here, since a page without script does not poll.
      await eventually('the QR code is drawn', () => tab.evaluate<boolean>(isDrawn))
      await expectToFit(tab)
      await typeInto(tab, '#otp', '000000')
      await tab.keyboard.press('Enter')
      await tab.waitForSelector('[role=alert]')
      await expectToFit(tab)
      await typeInto(tab, '#otp', codeOf(secret))
      await tab.keyboard.press('Enter')

      await tab.waitForSelector('#recovery-codes')
      remember(...(await tab.locator('#recovery-codes code').allTextContents()))
      await expectToFit(tab)
      await pressAndLeave(tab, '#codes-kept')
      await tab.click('nav a[href^="/account/factors"]')
      // The session is older than the factor, so the list asks for it.
      await givePassword()
      await tab.waitForSelector('#otp')
      await expectToFit(tab)
      await typeInto(tab, '#otp', codeOf(secret, 1))
      await tab.keyboard.press('Enter')
      await tab.waitForSelector('#codes-left')
      await expectToFit(tab)
      // A refused form has status 400, which Chromium reports.
      const others = complaints.filter((complaint) => !complaint.includes('status of 400'))
      expect(others).to.deep.equal([])
    })
  }
})
