import { expect } from 'chai'
import type { Browser, BrowserContext, Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { launchBrowser } from '../support/browser.ts'
import { somebody } from '../support/second-factor.ts'
import { press, pressAndLeave, typeInto } from '../support/tab.ts'
import { plugIn } from '../support/virtual-authenticator.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

const tenant = 'default'

describe('people: passkeys in Chromium', function () {
  this.timeout(60_000)
  let server: TestServer
  let browser: Browser | undefined

  before(async function () {
    browser = await launchBrowser()
    if (!browser) this.skip()
    server = await boot(anyStorage)
  })
  after(async () => {
    await browser?.close()
    await server?.stop()
  })

  interface Seat {
    context: BrowserContext
    tab: Tab
    complaints: string[]
  }

  async function sit(options: object = {}): Promise<Seat> {
    if (!browser) throw new Error('no browser')
    const context = await browser.newContext({ viewport: { width: 360, height: 800 }, ...options })
    const tab = await context.newPage()
    return { context, tab, complaints: complaintsOf(tab) }
  }

  /** Nothing sticks out to the side. */
  async function expectToFit(tab: Tab): Promise<void> {
    const overhang = await tab.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    expect(overhang, tab.url()).to.equal(0)
  }

  async function givePassword(tab: Tab, person: { username: string; password: string }) {
    await typeInto(tab, '#username', person.username)
    await tab.fill('#password', person.password)
    await tab.keyboard.press('Enter')
  }

  async function signOut(tab: Tab): Promise<void> {
    await press(tab, '#sign-out')
    await tab.waitForURL('**/account/signed-out*')
  }

  it('makes one, signs in with it alone, and beside a password, by keyboard, 360 px wide (K-09)', async () => {
    const person = await somebody(server.core)
    const seat = await sit({ locale: 'de' })
    const { tab } = seat
    await plugIn(tab)

    await tab.goto(`${server.issuer}/account/factors`)
    await givePassword(tab, person)
    await tab.waitForSelector('#add-passkey')
    await expectToFit(tab)
    await press(tab, '#add-passkey')
    await tab.waitForSelector('#use-passkey')
    expect(await tab.isVisible('[data-passkey-missing]')).to.equal(false)
    await expectToFit(tab)
    await typeInto(tab, '#name', 'Laptop')
    await tab.keyboard.press('Enter')

    await tab.waitForSelector('#recovery-codes')
    remember(...(await tab.locator('#recovery-codes code').allTextContents()))
    await pressAndLeave(tab, '#codes-kept')
    await signOut(tab)

    await tab.goto(`${server.issuer}/account/factors`)
    await tab.waitForSelector('#use-passkey')
    await expectToFit(tab)
    await press(tab, '#use-passkey')
    await tab.waitForSelector('#codes-left')
    await expectToFit(tab)
    const [factor] = await server.core.factors.list(tenant, person.id)
    expect(factor).to.include({ kind: 'passkey', name: 'Laptop' })
    expect(factor?.lastUsedAt).to.be.a('number')

    // The same device makes no second one for this account.
    await pressAndLeave(tab, '#add-passkey')
    await press(tab, '#use-passkey')
    await tab.waitForSelector('#passkey-known')
    await tab.waitForSelector('#use-passkey:enabled')

    await tab.goto(`${server.issuer}/account`)
    await signOut(tab)
    await tab.goto(`${server.issuer}/account/factors`)
    await givePassword(tab, person)
    await tab.waitForSelector('#use-passkey:focus')
    expect(await tab.isVisible('#otp')).to.equal(false)
    await expectToFit(tab)
    await tab.keyboard.press('Enter')
    await tab.waitForSelector('#codes-left')

    await tab.fill(`#name-${factor?.id}`, 'Old laptop')
    await pressAndLeave(tab, `#rename-${factor?.id} button`)
    await tab.waitForSelector('h2:has-text("Old laptop")')
    await pressAndLeave(tab, `#remove-${factor?.id} button`)
    expect(await tab.locator('#codes-left').count()).to.equal(0)
    expect(await server.core.factors.list(tenant, person.id)).to.deep.equal([])

    await signOut(tab)
    await tab.goto(`${server.issuer}/account`)
    await press(tab, '#use-passkey')
    await tab.waitForSelector('#login-error')
    await expectToFit(tab)
    const faults = seat.complaints.filter((complaint) => !complaint.includes('status of 403'))
    expect(faults).to.deep.equal([])
    await seat.context.close()
  })
})
