import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { somebody } from '../support/second-factor.ts'
import { expectToFit, press, pressAndLeave, typeInto } from '../support/tab.ts'
import { plugIn } from '../support/virtual-authenticator.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf } from './site.ts'

const tenant = 'default'

describe('people: passkeys in Chromium', () => {
  const open = inChromium()
  const server = booted(anyStorage)

  async function givePassword(tab: Tab, person: { username: string; password: string }) {
    await typeInto(tab, '#username', person.username)
    await tab.fill('#password', person.password)
    await tab.keyboard.press('Enter')
  }

  async function signOut(tab: Tab): Promise<void> {
    await press(tab, '#sign-out')
    await tab.waitForURL('**/account/signed-out*')
  }

  it('adds one, signs in with it alone and beside a password, by keyboard, 360 px wide (K-09)', async () => {
    const person = await somebody(server.core)
    const tab = await open({ locale: 'de', viewport: { width: 360, height: 800 } })
    const complaints = complaintsOf(tab)
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

    // The device refuses a second passkey for the same account.
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
    const faults = complaints.filter((complaint) => !complaint.includes('status of 403'))
    expect(faults).to.deep.equal([])
  })
})
