import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { parse } from 'node-html-parser'
import { messagesOf } from '../../src/interaction/pages/messages.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { bank, startRequest } from '../support/ciba.ts'
import { allowDevice, startDevice } from '../support/devices.ts'
import { eventually } from '../support/eventually.ts'
import { everyPage } from '../support/every-page.ts'
import { api, furnish, web } from '../support/fixtures.ts'
import { type Typist, typistAt } from '../support/keyboard.ts'
import { type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import { authorizeUrl, tokensFor } from '../support/protocol.ts'
import { codeOf } from '../support/second-factor.ts'
import { remember } from '../support/witness.ts'
import { accountOf, type Person, signedIn, somebody } from './account.story.ts'
import { accountStories } from './keyboard.story.ts'
import { complaintsOf, type Site, startSite } from './site.ts'

const fresh = 'painting all the roses red 7'

/** Identifies a page: its title and its ids, except those of messages. */
function marksOf(markup: string) {
  const root = parse(markup)
  const ids = root.querySelectorAll('main [id]:not([role])').map(({ id }) => id)
  const title = root.querySelector('title')?.textContent.replace(/^Error: /, '')
  return { title, ids: ids.filter((id) => !id.includes('example')) }
}

/** The same, evaluated in the browser. */
const marksThere = `({
  title: document.title.replace(/^Error: /, ''),
  ids: [...document.querySelectorAll('main [id]:not([role])')].map(({ id }) => id),
})`

describe('people: keyboard only and no scripts, in Chromium (WCAG 2.2: 2.1.1, 2.4.3, 2.4.7, 3.3.1; K-09)', () => {
  let server: TestServer
  const open = inChromium()
  let site: Site
  let mailbox: Mailbox
  const client = { ...web, client_id: 'shop' }
  const strict = { ...web, client_id: 'strict', require_mfa: true }
  const visited: Array<ReturnType<typeof marksOf>> = []

  before(async () => {
    ;[mailbox, site] = await Promise.all([openMailbox(), startSite()])
    server = await boot(anyStorage, { SMTP_URL: mailbox.url })
    await furnish(server)
    remember(fresh, bank.client_secret)
    const places = {
      redirect_uris: [`${site.origin}/callback`],
      post_logout_redirect_uris: [`${site.origin}/signed-out`],
    }
    for (const one of [
      client,
      strict,
      { ...client, client_id: 'stranger', errors_need_sign_in: true },
    ]) {
      await server.core.clients.declare('default', { ...one, ...places })
    }
    await server.core.clients.declare(tenant, bank)
    await server.core.tenants.declareSignUp(tenant, { mode: 'open', domains: [] })
    await server.core.tenants.setPolicy(tenant, { emailCodes: true })
  })
  after(async () => {
    await site?.stop()
    await server?.stop()
    await mailbox?.stop()
  })

  const at = (path: string) => `${server.issuer}${path}`
  const authorize = (fields: Record<string, string> = {}, clientId = client.client_id) =>
    authorizeUrl(
      server,
      { client_id: clientId },
      { redirect_uri: `${site.origin}/callback`, ...fields },
    )
  const mailTo = async (address: string, subject: RegExp) => {
    const fits = (mail: { to: string; subject: string }) =>
      mail.to === address && subject.test(mail.subject)
    return (await nextMail(`${subject.source} to ${address}`, () => mailbox.mails, fits)).link ?? ''
  }

  /** The code of a mail, other than those in `before`. */
  const codeTo = (address: string, before: string[] = []) =>
    eventually(`a code for ${address} arrives`, () => {
      const codes = mailbox.mails
        .filter(({ to }) => to === address)
        .flatMap(({ text }) => /: (\d{8})\b/.exec(text)?.[1] ?? [])
      remember(...codes)
      return codes.find((code) => !before.includes(code))
    })

  async function signIn(typist: Typist, { email, password }: Person): Promise<void> {
    await typist.type('#username', email)
    await typist.type('#password', password)
    await typist.press('#sign-in')
  }

  /** A test with a new profile and a new account, without scripts unless stated. */
  function story(
    title: string,
    tell: (typist: Typist, person: Person) => Promise<void>,
    { javaScriptEnabled = false } = {},
  ): void {
    it(`${title}${javaScriptEnabled ? ', with scripts' : ''}`, async () => {
      const tab = await open({ javaScriptEnabled })
      const complaints = complaintsOf(tab)
      const typist = typistAt(tab, async () => void visited.push(await tab.evaluate(marksThere)))
      await tell(typist, await somebody(server))
      // Refused forms and error pages have a 4xx status, which Chromium reports.
      expect(complaints.filter((each) => !/status of 4\d\d/.test(each))).to.deep.equal([])
    })
  }

  const heading = (typist: Typist) => typist.tab.textContent('h1')

  const signInAndOut =
    (between?: (typist: Typist) => Promise<void>): Parameters<typeof story>[1] =>
    async (typist, person) => {
      await typist.open(server.issuer)
      await typist.press('#account-link')
      await typist.press('#sign-in')
      await typist.expectFaultAt('#username')
      await signIn(typist, { ...person, password: 'wrong' })
      await typist.expectFaultAt('#password')
      await signIn(typist, person)
      await between?.(typist)
      await typist.press('nav a[href$="/account/profile"]')
      await typist.type('#username', 'with@sign')
      await typist.press('#save-profile')
      await typist.expectFaultAt('#username')
      await typist.type('#username', `user-${randomUUID().slice(0, 8)}`)
      await typist.press('#save-profile')
      expect(await typist.tab.locator('#done').count()).to.equal(1)
      await typist.press('#sign-out')
      expect(await heading(typist)).to.equal('You are signed out')
    }
  // account-browser.test.ts tests that each section has a link without scripts.
  story('signs in, changes the user name and signs out', signInAndOut())
  const lookAround = signInAndOut(async (typist) => {
    const sections = await typist.tab.locator('nav a').count()
    for (let section = 1; section <= sections; section += 1) {
      await typist.press(`nav li:nth-child(${section}) a`)
      expect(await typist.tab.locator('nav [aria-current=page]').count()).to.equal(1)
    }
  })
  story('signs in, opens every section and signs out', lookAround, { javaScriptEnabled: true })

  story(
    'signs in to an application, allows it, and signs out from there',
    async (typist, person) => {
      await typist.open(authorize({ scope: 'openid email orders:read', resource: api }))
      await signIn(typist, person)
      await typist.press('#deny')
      expect(site.visits.at(-1)?.searchParams.get('error')).to.equal('access_denied')
      await typist.open(authorize({ scope: 'openid email orders:read', resource: api }))
      await typist.press('#allow')
      expect(site.visits.at(-1)?.searchParams.get('code')).to.be.a('string')
      await typist.open(authorize({ response_mode: 'form_post', prompt: 'consent' }))
      await typist.press('#allow')
      if ((await heading(typist)) === 'Almost there') await typist.press('main button')
      await typist.tab.waitForURL(`${site.origin}/callback`)
      const back = `${site.origin}/signed-out`
      await typist.open(at(`/logout?client_id=shop&post_logout_redirect_uri=${back}`))
      await typist.press('#sign-out')
      expect(typist.tab.url()).to.equal(back)
    },
  )

  story('adds an app, signs in with it, and removes it', async (typist, person) => {
    await typist.open(at('/account/factors'))
    await signIn(typist, person)
    await typist.press('#add-factor')
    const secret = (await typist.tab.textContent('#secret'))?.replaceAll(' ', '') ?? ''
    remember(secret)
    await typist.type('#otp', '000000')
    await typist.press('#confirm-factor')
    await typist.expectFaultAt('#otp')
    await typist.type('#otp', codeOf(secret))
    await typist.press('#confirm-factor')
    remember(...(await typist.tab.locator('#recovery-codes code').allTextContents()))
    await typist.press('#codes-kept')

    await typist.open(authorize())
    await typist.open(at('/account/factors'))
    await signIn(typist, person)
    await typist.press('#confirm-factor')
    await typist.expectFaultAt('#otp')
    await typist.type('#otp', codeOf(secret, 1))
    await typist.press('#confirm-factor')
    await typist.press('#make-codes')
    const [code = '', ...rest] = await typist.tab.locator('#recovery-codes code').allTextContents()
    remember(code, ...rest)
    await typist.press('#codes-kept')
    await typist.press('form[id^=remove] button')
    expect(await typist.tab.locator('form[id^=remove]').count()).to.equal(0)
  })

  story('sets up an app when the client requires it', async (typist, person) => {
    await typist.open(authorize({}, strict.client_id))
    await signIn(typist, person)
    const secret = (await typist.tab.textContent('#secret'))?.replaceAll(' ', '') ?? ''
    remember(secret)
    await typist.type('#otp', codeOf(secret))
    await typist.press('#confirm-factor')
    remember(...(await typist.tab.locator('#recovery-codes code').allTextContents()))
    await typist.press('#codes-kept')
    await typist.press('#allow')
    expect(site.visits.at(-1)?.searchParams.get('code')).to.be.a('string')
  })

  story(
    'ends a session, the access of an application, and all other sessions',
    async (typist, person) => {
      const elsewhere = await signedIn(server, person, 'safari')
      await tokensFor(
        server,
        web,
        { scope: 'openid offline_access orders:read', resource: api },
        elsewhere,
      )
      await signedIn(server, person, 'firefox')
      await typist.open(at('/account/sessions'))
      await signIn(typist, person)
      const sessions = await typist.tab.locator('#sessions > li').count()
      await typist.press('#sessions > li:nth-child(2) button')
      expect(await typist.tab.locator('#sessions > li').count()).to.equal(sessions - 1)
      await typist.press('#devices button')
      await typist.press('#end-others')
      expect(await typist.tab.locator('#sessions > li').count()).to.equal(1)
      await typist.press('nav a[href$="/account/applications"]')
      await typist.press('#applications button')
      expect(await typist.tab.locator('#applications').count()).to.equal(0)
    },
  )

  story('changes the password', async (typist, person) => {
    await typist.open(at('/account/password'))
    await signIn(typist, person)
    const change = async (current: string, next: string, again: string) => {
      await typist.type('#current_password', current)
      await typist.type('#new_password', next)
      await typist.type('#confirm_password', again)
      await typist.tick('#others')
      await typist.press('#change-password')
    }
    await typist.press('#change-password')
    await typist.expectFaultAt('#current_password')
    await change(person.password, fresh, `${fresh}!`)
    await typist.expectFaultAt('#new_password')
    await change('wrong', fresh, fresh)
    await typist.expectFaultAt('#current_password')
    await change(person.password, fresh, fresh)
    expect(await typist.tab.locator('#done').count()).to.equal(1)
  })

  story('connects a device, and is too late for another', async (typist, person) => {
    const [device, other] = [await startDevice(server), await startDevice(server)]
    await typist.open(device.verification_uri)
    await typist.type('#user_code', 'BCDF-BCDF')
    await typist.press('#check-code')
    await typist.expectFaultAt('#user_code')
    await typist.type('#user_code', device.user_code.toLowerCase())
    await typist.press('#check-code')
    await typist.press('#continue')
    await signIn(typist, person)
    await typist.press('#allow')
    const outcome = () => typist.tab.getAttribute('#device-outcome', 'data-outcome')
    expect(await outcome()).to.equal('allowed')
    await typist.open(other.verification_uri_complete)
    await typist.press('#check-code')
    await allowDevice(server, other)
    await typist.press('#continue')
    expect(await outcome()).to.equal('over')
    await typist.press('#enter-again')
  })

  story('answers a pending request (CIBA)', async (typist, person) => {
    await startRequest(server, { login_hint: person.email, binding_message: 'W4-KP' })
    await typist.open(at('/account'))
    await signIn(typist, person)
    await typist.press('a.kt-request')
    await typist.press('#allow')
    expect(await typist.tab.getAttribute('#request-outcome', 'data-outcome')).to.equal('allowed')
    await typist.press('#account-link')
  })

  story('replaces a forgotten password', async (typist, person) => {
    await typist.open(at('/account'))
    await typist.press('#forgot')
    await typist.press('#send-link')
    await typist.expectFaultAt('#username')
    await typist.type('#username', person.email)
    await typist.press('#send-link')
    const link = await mailTo(person.email, /new password/)
    const choose = async (password: string, again: string) => {
      await typist.type('#new_password', password)
      await typist.type('#confirm_password', again)
      await typist.press('#save-password')
    }
    await typist.open(link)
    await choose('short', 'short')
    await typist.expectFaultAt('#new_password')
    await choose(fresh, fresh)
    await typist.press('#next')
    await signIn(typist, { ...person, password: fresh })
    expect(await heading(typist)).to.equal('Your account')
    await typist.open(link)
    expect(await heading(typist)).to.match(/no longer valid/)
  })

  story('replaces a one-time password', async (typist) => {
    const email = `${randomUUID()}@example.com`
    const { oneTimePassword = '' } = await server.core.accounts.create('default', { email })
    await typist.open(at('/account'))
    await signIn(typist, { email, password: oneTimePassword })
    await typist.press('#save-password')
    await typist.expectFaultAt('#new_password')
    await typist.type('#new_password', fresh)
    await typist.type('#confirm_password', fresh)
    await typist.press('#save-password')
    expect(await heading(typist)).to.equal('Your account')
  })

  story('changes the e-mail address', async (typist, person) => {
    await typist.open(at('/account'))
    await signIn(typist, person)
    await typist.press('#email-link')
    await typist.type('#new_email', 'no address')
    await typist.press('#change-email')
    await typist.expectFaultAt('#new_email')
    const email = `${randomUUID()}@example.net`
    await typist.type('#new_email', email)
    await typist.press('#change-email')
    await typist.open(await mailTo(email, /address/))
    await typist.press('#confirm')
    await typist.press('#next')
    expect((await accountOf(server, { ...person, email })).emailVerified).to.equal(true)
  })

  story('deletes the account', async (typist, person) => {
    await typist.open(at('/account/data'))
    await signIn(typist, person)
    await typist.press('#delete')
    await typist.expectFaultAt('#address')
    await typist.type('#address', person.email)
    await typist.press('#delete')
    expect(await heading(typist)).to.equal('Your account has been deleted')
  })

  story('returns from error pages', async (typist) => {
    await typist.open(at('/nowhere'))
    await typist.open(at('/authorize'))
    for (const response_mode of ['query', 'form_post']) {
      await typist.open(authorize({ scope: 'openid "', response_mode }, 'stranger'))
      await typist.press('#way-back')
      expect(site.visits.at(-1)?.searchParams.get('error')).to.equal('invalid_scope')
    }
  })

  accountStories({ story, at, authorize, mailTo, codeTo, signIn, fresh, booted: () => server })

  it('visits every page', () => {
    const context = { messages: messagesOf('en'), basePath: '', theme: { name: 'Keyturn' } }
    const missed = Object.entries(everyPage(context, 'example')).filter(([, markup]) => {
      const page = marksOf(markup)
      return !visited.some(
        ({ title, ids }) =>
          title === page.title || (page.ids.length > 0 && page.ids.every((id) => ids.includes(id))),
      )
    })
    expect(missed.map(([name]) => name)).to.deep.equal([])
  })
})
