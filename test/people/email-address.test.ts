import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootedWithMail, type Mail, nextMail } from '../support/mailbox.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { accountOf, open, type Person, signedIn, somebody } from './account.story.ts'
import { expectFault, headingOf, textOf } from './story.ts'

describe('people: an e-mail address (C8, C10, ASVS 6.3.7)', () => {
  after(backToPresent)
  const { server, mailbox } = bootedWithMail({}, furnish)
  let person: Person
  let agent: UserAgent
  let fresh = 0
  beforeEach(async () => {
    person = await somebody(server)
    agent = await signedIn(server, person)
    mailbox.mails.length = 0
  })

  const newAddress = () => `new${fresh++}@example.net`
  const get = (url: string | URL, by = createUserAgent()) => by.get(url)
  const mailTo = (address: string, subject: RegExp): Promise<Mail> =>
    nextMail(
      `${subject.source} to ${address}`,
      () => mailbox.mails,
      (mail) => mail.to === address && subject.test(mail.subject),
    )
  async function askFor(address: string): Promise<Page> {
    const page = await open(server, '/account/email', person, agent)
    return agent.submit(page, { form: '#email-form', fields: { new_email: address } })
  }
  async function confirm(url: string | undefined, by = createUserAgent()): Promise<Page> {
    const page = await by.get(url ?? '')
    return page.status === 200 ? by.submit(page) : page
  }
  /** Mails to this account, or to one of the others; mails of the previous test may still arrive. */
  const mailsTo = (...others: string[]) =>
    mailbox.mails.filter(({ to }) => to === person.email || others.includes(to))
  const emailOf = async (id: string) =>
    (await server.core.accounts.active(defaultTenant, id))?.email
  function expectOver(page: Page): void {
    expect(page.status).to.equal(400)
    expect(headingOf(page)).to.equal('This link is no longer valid')
  }

  it('is notified when the password is changed (ASVS 6.3.7)', async () => {
    const page = await open(server, '/account/password', person, agent)
    const chosen = 'painting the roses red 7'
    remember(chosen)
    const fields = {
      current_password: person.password,
      new_password: chosen,
      confirm_password: chosen,
    }
    expect((await agent.submit(page, { form: '#password-form', fields })).status).to.equal(303)
    const { text } = await mailTo(person.email, /password/i)
    expect(text, 'other sessions stay').to.not.match(/signed out/)
    expect(text).to.include(`${server.issuer}/account/sessions`)
  })

  it('is notified of a password chosen at sign-in, and of a new user name (ASVS 6.3.7)', async () => {
    const email = newAddress()
    const { account, oneTimePassword = '' } = await server.core.accounts.create(defaultTenant, {
      email,
    })
    const newcomer = createUserAgent()
    const login = await newcomer.follow(await newcomer.get(`${server.issuer}/account`))
    const fields = { username: email, password: oneTimePassword }
    const form = await newcomer.follow(await newcomer.submit(login, { fields }))
    const chosen = 'all in the golden afternoon'
    remember(chosen)
    const choice = { new_password: chosen, confirm_password: chosen }
    await newcomer.follow(await newcomer.submit(form, { fields: choice }))
    const { text } = await mailTo(email, /password/i)
    expect(text, 'not confirmed').not.to.match(/\bFrom: /)
    const which = { types: ['account.password_changed'], limit: 2 } as const
    const events = await server.core.audit.ofAccount(defaultTenant, account.id, which)
    expect(events.map(({ detail }) => detail)).to.deep.equal([{ by: 'owner', others: 'stay' }])

    const profile = await newcomer.get(`${server.issuer}/account/profile`)
    const named = { form: '#profile-form', fields: { username: 'newcomer' } }
    expect((await newcomer.submit(profile, named)).status).to.equal(303)
    await mailTo(email, /user name/i)
  })

  it('is confirmed by the button of the linked page, not by opening the link', async () => {
    const page = await open(server, '/account/email', person, agent)
    const sent = await agent.submit(page, { form: '#verify-form' })
    expect(sent.root.querySelector('[role=status]')?.textContent).to.match(/on its way/)
    const again = await agent.get(sent.url)
    expect([again.status, again.location?.pathname]).to.deep.equal([303, '/account/email'])
    const { link = '' } = await mailTo(person.email, /Confirm your e-mail/)
    await get(link)
    expect((await accountOf(server, person)).emailVerified).to.equal(false)
    const form = await get(link)
    expect(headingOf(await confirm(link))).to.equal('Your e-mail address is confirmed')
    expect((await accountOf(server, person)).emailVerified).to.equal(true)
    expectOver(await createUserAgent().submit(form))
    expect(textOf(await agent.get(`${server.issuer}/account/email`))).not.to.match(
      /not confirmed yet/,
    )
  })

  it('changes once the new address is confirmed, and notifies both addresses', async () => {
    const account = await accountOf(server, person)
    const { id } = account
    const { actionTokens } = server.core
    const reset = await actionTokens.issue(defaultTenant, 'reset', account)
    const { token } = (await actionTokens.forDelivery(defaultTenant, reset ?? '')) ?? { token: '' }
    const to = newAddress()
    expect((await askFor(to)).status).to.equal(200)
    const change = await mailTo(to, /Confirm your new/)
    const warning = await mailTo(person.email, /about to change/)
    expect(warning.text).to.include(to)
    expect(await emailOf(id), 'not before that').to.equal(person.email)
    expect(headingOf(await confirm(change.link))).to.equal('Your e-mail address has been changed')
    expect(await emailOf(id)).to.equal(to)
    expect((await server.core.accounts.active(defaultTenant, id))?.emailVerified).to.equal(true)
    await mailTo(to, /was changed/)
    await mailTo(person.email, /was changed/)
    expectOver(await confirm(change.link))
    expectOver(await confirm(warning.link))
    expectOver(await get(`${server.issuer}/password/reset?token=${token}`))
  })

  it('changes to the exact spelling that was mailed, and refuses look-alikes (C9)', async () => {
    const { id } = await accountOf(server, person)
    const to = newAddress()
    await askFor(` ${to.replace('new', '\uff4eew')} `)
    await confirm((await mailTo(to, /Confirm your new/)).link)
    expect(await emailOf(id)).to.equal(to)
    const alike = `a\u200b${newAddress()}`
    const refused = await askFor(alike)
    expect(refused.status).to.equal(400)
    expect(refused.root.querySelector('#new_email')?.getAttribute('value')).to.equal(alike)
  })

  it('is notified of a sign-in with a new browser, once it is confirmed (ASVS 6.3.5)', async () => {
    const { id } = await accountOf(server, person)
    await server.core.accounts.verifyEmail(defaultTenant, id, person.email)
    const there = await signedIn(server, person)
    const { text } = await mailTo(person.email, /New sign-in/)
    expect(text).to.include(`${server.issuer}/password/forgot`)
    mailbox.mails.length = 0
    await there.get(`${server.issuer}/account`)
    const page = await open(server, '/account', person, there)
    const out = await there.submit(page, { form: '#sign-out-form' })
    expect(out.status).to.equal(303)
    await open(server, '/account', person, there)
    await server.core.emailAddresses.askVerification(await accountOf(server, person), {
      by: 'owner',
      language: 'en',
    })
    await mailTo(person.email, /Confirm/)
    expect(mailsTo(), 'this browser is known by now').to.have.length(1)
  })

  it('gets the IP address of a change only if it is confirmed, as it may be a stranger’s', async () => {
    for (const confirmed of [false, true]) {
      const somebodyNew = async () => {
        const one = await somebody(server)
        const { id } = await accountOf(server, one)
        if (confirmed) await server.core.accounts.verifyEmail(defaultTenant, id, one.email)
        const browser = await signedIn(server, one)
        const submit = async (path: string, form: string, fields: Record<string, string>) =>
          browser.submit(await open(server, path, one, browser), { form, fields })
        return { one, submit }
      }
      const expectFrom = async ({ email }: Person, subject: RegExp) => {
        const { text } = await mailTo(email, subject)
        expect(/\bFrom: /.test(text), `${subject} ${confirmed}`).to.equal(confirmed)
      }
      const { one, submit } = await somebodyNew()
      await submit('/account/profile', '#profile-form', { username: `named ${fresh++}` })
      await expectFrom(one, /Your user name/)
      const chosen = 'no use going back to yesterday'
      remember(chosen)
      const passwords = { new_password: chosen, confirm_password: chosen }
      await submit('/account/password', '#password-form', {
        ...{ current_password: one.password, ...passwords },
      })
      await expectFrom(one, /Your password/)
      const to = newAddress()
      await submit('/account/email', '#email-form', { new_email: to })
      await expectFrom(one, /about to change/)
      await confirm((await mailTo(to, /Confirm your new/)).link)
      await expectFrom(one, /was changed/)
      expect((await mailTo(to, /was changed/)).text).to.match(/\bFrom: /)

      const leaving = await somebodyNew()
      await leaving.submit('/account/data', '#delete-form', { address: leaving.one.email })
      await expectFrom(leaving.one, /was deleted/)
    }
  })

  it('does not change when the old address objects', async () => {
    const { id } = await accountOf(server, person)
    const to = newAddress()
    await askFor(to)
    const change = await mailTo(to, /Confirm your new/)
    const { link } = await mailTo(person.email, /about to change/)
    const stays = await confirm(link)
    expect(headingOf(stays)).to.equal('Your e-mail address stays the same')
    expect(stays.root.querySelector('#next')?.getAttribute('href')).to.equal('/account/password')
    expectOver(await confirm(change.link))
    expect(await emailOf(id)).to.equal(person.email)
  })

  it('does not change when the requesting session may have been signed out since (C8)', async () => {
    const account = await accountOf(server, person)
    const { revocations } = server.core
    for (const end of [
      () => revocations.logOutEverywhere(account, { by: 'owner' }),
      () => revocations.logOutOthers(account, 'another session', { by: 'owner' }),
    ]) {
      const to = newAddress()
      await askFor(to)
      const { link } = await mailTo(to, /Confirm your new/)
      await end()
      expectOver(await confirm(link))
      expect(await emailOf(account.id)).to.equal(person.email)
      travel(1)
      agent = await signedIn(server, person)
    }
    backToPresent()
  })

  it('is not taken from an account that has it by then, and the request does not reveal that account', async () => {
    const other = await somebody(server)
    const { id } = await accountOf(server, person)
    const [free, taken] = [await askFor(newAddress()), await askFor(other.email)]
    const body = (page: Page) => page.body.replaceAll(/value="[^"]*"/g, '')
    expect(body(taken)).to.equal(body(free))
    const { link } = await mailTo(other.email, /Confirm your new/)
    const refused = await confirm(link)
    expect(refused.status).to.equal(400)
    expect(textOf(refused)).to.match(/belongs to another account/)
    expect(await emailOf(id)).to.equal(person.email)
  })

  it('goes to one account when two ask for it at once', async () => {
    const second = await somebody(server)
    const to = newAddress()
    await askFor(to)
    const first = await mailTo(to, /Confirm your new/)
    mailbox.mails.length = 0
    const theirs = await signedIn(server, second)
    const page = await open(server, '/account/email', second, theirs)
    await theirs.submit(page, { form: '#email-form', fields: { new_email: to } })
    const other = await mailTo(to, /Confirm your new/)
    const pages = await Promise.all([confirm(first.link), confirm(other.link)])
    expect(pages.map(({ status }) => status)).to.have.members([200, 400])
  })

  it('changes only through the latest link, at its own step', async () => {
    const [one, two] = [newAddress(), newAddress()]
    await askFor(one)
    const first = await mailTo(one, /Confirm your new/)
    const form = await get(first.link ?? '')
    await askFor(two)
    const { link = '' } = await mailTo(two, /Confirm your new/)
    expectOver(await confirm(first.link))
    expectOver(await createUserAgent().submit(form))
    for (const path of ['/email/verify', '/email/object', '/password/reset']) {
      expectOver(await get(link.replace('/email/confirm', path)))
    }
  })

  it('is refused when it is invalid, or two in one (ASVS 1.3.11)', async () => {
    for (const address of [
      '',
      'nobody',
      'a@b.example,c@d.example',
      'a@b.example\r\nBcc: c@d.example',
      '<a@b.example>',
    ]) {
      const page = await open(server, '/account/email', person, agent)
      const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
      const refused = await agent.post(page.url, { csrf, new_email: address }, { from: page })
      expect(refused.status, address).to.equal(400)
    }
    expect(mailsTo('a@b.example', 'c@d.example')).to.have.length(0)
  })

  it('does not change by a form without its token or from another session (C23)', async () => {
    const page = await open(server, '/account/email', person, agent)
    const form = { new_email: newAddress() }
    expectFault(await agent.post(page.url, form, { from: page }), 403, /could not confirm/)
    const theirs = await signedIn(server, await somebody(server))
    const stolen = {
      csrf: page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? '',
      ...form,
    }
    expectFault(await theirs.post(page.url, stolen, { from: page }), 403, /could not confirm/)
    await askFor(newAddress())
    const { link = '' } = await mailTo(person.email, /about to change/)
    const url = new URL(link)
    const token = url.searchParams.get('token') ?? ''
    expectFault(await agent.post(`${url.origin}${url.pathname}`, { token }), 403, /could not/)
  })

  it('changes only after a recent sign-in (ASVS 7.5.1)', async () => {
    const page = await open(server, '/account/email', person, agent)
    const form = { new_email: newAddress() }
    travel(301)
    const asked = await agent.submit(page, { form: '#email-form', fields: form })
    expect(asked.status).to.equal(303)
    expect(asked.location?.pathname).to.equal('/authorize')
    const again = await open(server, '/account/email', person, agent)
    expect(again.url.pathname).to.equal('/account/email')
    expect(mailsTo(form.new_email)).to.have.length(0)
    backToPresent()
  })
})
