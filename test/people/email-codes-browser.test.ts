import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { writtenMail } from '../support/mailbox.ts'
import { expectToFit, press, typeInto } from '../support/tab.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

const password = 'a second step in a browser'

describe('people: codes by e-mail in Chromium', () => {
  const open = inChromium()
  const server = booted('embedded')

  before(async () => {
    remember(password)
    await server.core.tenants.setPolicy(tenant, { emailCodes: true })
  })

  /** The code of a mail, other than those in `before`. */
  const codeTo = (address: string, before: string[] = []) =>
    eventually('a code arrives', () => {
      const codes = writtenMail(server)
        .filter(({ to }) => to === address)
        .flatMap(({ text }) => /: (\d{8})\b/.exec(text)?.[1] ?? [])
      remember(...codes)
      return codes.find((code) => !before.includes(code))
    })

  for (const { width, javaScriptEnabled, locale } of [
    { width: 360, javaScriptEnabled: false, locale: 'de' },
    { width: 1280, javaScriptEnabled: true, locale: 'en' },
  ]) {
    it(`turns them on and signs in with one by keyboard, ${width} px wide, ${javaScriptEnabled ? 'with' : 'without'} script (K-09)`, async () => {
      const email = `${randomUUID()}@example.com`
      await server.core.accounts.create(tenant, { email, password, emailVerified: true })
      const viewport = { width, height: 800 }
      const tab = await open({ javaScriptEnabled, viewport, locale })
      const complaints = complaintsOf(tab)

      async function givePassword(): Promise<void> {
        await typeInto(tab, '#username', email)
        await tab.fill('#password', password)
        await tab.keyboard.press('Enter')
      }
      async function type(code: string): Promise<void> {
        await typeInto(tab, '#otp', code)
        await expectToFit(tab)
        await tab.keyboard.press('Enter')
      }

      await tab.goto(`${server.issuer}/account`)
      await givePassword()
      await tab.click('nav a[href^="/account/factors"]')
      await tab.waitForSelector('#email-codes')
      await expectToFit(tab)
      await press(tab, '#email-codes')
      const first = await codeTo(email)
      await type('00000000')
      await tab.waitForSelector('[role=alert]')
      await type(first)

      // The session is older than the factor, so the page asks for both again.
      await givePassword()
      await type(await codeTo(email, [first]))
      await tab.waitForSelector('#email-codes-state')
      await expectToFit(tab)
      expect(await tab.textContent('html')).not.to.include('undefined')
      const others = complaints.filter((complaint) => !complaint.includes('status of 400'))
      expect(others).to.deep.equal([])
    })
  }
})
