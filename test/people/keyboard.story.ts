import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import type { Typist } from '../support/keyboard.ts'
import { plugIn } from '../support/virtual-authenticator.ts'
import { remember } from '../support/witness.ts'
import type { Person } from './account.story.ts'

/** What the stories need. */
interface Desk {
  booted(): TestServer
  story(
    title: string,
    tell: (typist: Typist, person: Person) => Promise<void>,
    options?: { javaScriptEnabled?: boolean },
  ): void
  at(path: string): string
  authorize(): URL
  /** The link in the next mail. */
  mailTo(address: string, subject: RegExp): Promise<string>
  /** The code of a mail, other than those in `before`. */
  codeTo(address: string, before?: string[]): Promise<string>
  signIn(typist: Typist, person: Person): Promise<void>
  /** A password that satisfies the policy. */
  fresh: string
}

/** Getting an account, and signing in with codes by e-mail or a passkey. */
export function accountStories(desk: Desk): void {
  const { booted, story, at, authorize, mailTo, codeTo, signIn, fresh } = desk

  story('creates an account during an authorization request', async (typist) => {
    const email = `${randomUUID()}@example.com`
    await typist.open(authorize())
    await typist.press('#sign-up')
    await typist.press('#to-sign-in')
    await typist.press('#sign-up')
    await typist.press('#send-link')
    await typist.expectFaultAt('#email')
    await typist.type('#email', email)
    await typist.press('#send-link')
    const link = await mailTo(email, /Finish your account/)
    const finish = async (name: string, password: string) => {
      await typist.type('#name', name)
      await typist.type('#new_password', password)
      await typist.type('#confirm_password', password)
      await typist.press('#create-account')
    }
    await typist.open(link)
    await finish('Carol'.repeat(50), fresh)
    await typist.expectFaultAt('#name')
    await finish('Carol', 'short')
    await typist.expectFaultAt('#new_password')
    await finish('Carol', fresh)
    await typist.press('#allow')
    expect(new URL(typist.tab.url()).searchParams.get('code')).to.be.a('string')
    await typist.open(link)
    expect(await typist.tab.textContent('h1')).to.match(/no longer valid/)
  })

  story('accepts an invitation', async (typist) => {
    const email = `${randomUUID()}@example.com`
    await booted().core.invitations.create(tenant, { email, name: 'Dora', language: 'en' })
    await typist.open(await mailTo(email, /You are invited/))
    await typist.type('#new_password', fresh)
    await typist.type('#confirm_password', fresh)
    await typist.press('#create-account')
    await typist.press('#next')
    await signIn(typist, { email, password: fresh })
    expect(await typist.tab.textContent('h1')).to.equal('Your account')
  })

  story('turns on codes by e-mail, and signs in with one', async (typist, { password }) => {
    const person = { email: `${randomUUID()}@example.com`, password }
    await booted().core.accounts.create(tenant, { ...person, emailVerified: true })
    await typist.open(at('/account/factors'))
    await signIn(typist, person)
    await typist.press('#email-codes')
    await typist.press('#confirm-code')
    await typist.expectFaultAt('#otp')
    const first = await codeTo(person.email)
    await typist.type('#otp', first)
    await typist.press('#confirm-code')
    // The session is older than the factor, so the page asks for both again.
    await signIn(typist, person)
    await typist.press('#send-again')
    await typist.type('#otp', '00000000')
    await typist.press('#confirm-code')
    await typist.expectFaultAt('#otp')
    await typist.type('#otp', await codeTo(person.email, [first]))
    await typist.press('#confirm-code')
    expect(await typist.tab.textContent('#email-codes-state')).to.match(/^On since/)
  })

  story(
    'creates a passkey, and signs in with it alone and beside the password',
    async (typist, person) => {
      const device = await plugIn(typist.tab)
      await typist.open(at('/account/factors'))
      // A browser without a passkey says so and stays on the page.
      await typist.pressInPlace('#use-passkey', '#passkey-failed')
      await signIn(typist, person)
      await typist.press('#add-passkey')
      await device.setOwnerThere(false)
      await typist.pressInPlace('#use-passkey', '#passkey-failed')
      await device.setOwnerThere(true)
      await typist.type('#name', 'Laptop')
      await typist.press('#use-passkey')
      remember(...(await typist.tab.locator('#recovery-codes code').allTextContents()))
      await typist.press('#codes-kept')
      await typist.open(at('/account/factors'))
      await signIn(typist, person)
      await typist.press('#use-passkey')
      await typist.press('#add-passkey')
      await typist.pressInPlace('#use-passkey', '#passkey-known')
      await typist.press('#back')
      await typist.press('#sign-out')
      await typist.open(at('/account'))
      await typist.press('#use-passkey')
      expect(await typist.tab.textContent('h1')).to.equal('Your account')
    },
    { javaScriptEnabled: true },
  )
}
