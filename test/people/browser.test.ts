import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import {
  type AuthorizationRequest,
  createRelyingParty,
  type RelyingParty,
} from '../support/relying-party.ts'
import { typeInto } from '../support/tab.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { complaintsOf, type Site, startSite } from './site.ts'

const fresh = 'a raven and a writing desk 7'

describe('people: a relying party in Chromium', () => {
  let server: TestServer
  const openTab = inChromium()
  let site: Site
  let mailbox: Mailbox
  let party: RelyingParty

  before(async () => {
    remember(fresh)
    mailbox = await openMailbox()
    ;[server, site] = await Promise.all([boot(anyStorage, { SMTP_URL: mailbox.url }), startSite()])
    await furnish(server)
    const client = {
      client_id: 'shop',
      client_name: 'Corner shop',
      client_secret: 'the-secret-of-the-corner-shop',
      redirect_uris: [`${site.origin}/callback`],
      post_logout_redirect_uris: [`${site.origin}/signed-out`],
      grant_types: ['authorization_code', 'refresh_token'],
    }
    await server.core.clients.declare('default', client)
    party = await createRelyingParty({
      issuer: server.issuer,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      redirectUri: `${site.origin}/callback`,
    })
  })
  after(async () => {
    await site?.stop()
    await server?.stop()
    await mailbox?.stop()
  })

  /** One tab with a new profile. */
  async function open(javaScriptEnabled = true): Promise<{ tab: Tab; complaints: string[] }> {
    const tab = await openTab({ javaScriptEnabled })
    return { tab, complaints: complaintsOf(tab) }
  }

  async function signIn(tab: Tab): Promise<void> {
    await tab.fill('#username', alice.email)
    await tab.fill('#password', alice.password)
    await tab.click('#sign-in')
  }

  /** Follows the link of the site, signs in, consents, and returns to the site. */
  async function signInThroughSite(tab: Tab, request: AuthorizationRequest): Promise<URL> {
    site.html = `<a id="enter" href="${request.url.href.replaceAll('&', '&amp;')}">Sign in</a>`
    await tab.goto(site.origin)
    await tab.click('#enter')
    await signIn(tab)
    // A browser whose account already consented is back at once.
    await tab.waitForSelector('#allow, #enter')
    if (await tab.$('#allow')) await tab.click('#allow')
    await tab.waitForURL((url) => url.origin === site.origin)
    return site.visits.at(-1) as URL
  }

  for (const script of [true, false]) {
    it(`signs in, consents, comes back and signs out, ${script ? 'with' : 'without'} script (K-09, K-24)`, async () => {
      const { tab, complaints } = await open(script)
      const request = await party.authorize({ scope: 'openid email', prompt: 'consent' })
      const returned = await signInThroughSite(tab, request)
      expect(returned.pathname).to.equal('/callback')
      const tokens = await party.finish(request, returned)
      expect(tokens.claims()?.['email']).to.equal(alice.email)

      await tab.goto(`${server.issuer}/account`)
      expect(await tab.textContent('#account-email')).to.equal(alice.email)

      const leave = party.endSession({
        id_token_hint: tokens.id_token as string,
        post_logout_redirect_uri: `${site.origin}/signed-out`,
      })
      await tab.goto(leave.href)
      await tab.click('#sign-out')
      await tab.waitForURL(`${site.origin}/signed-out`)
      await tab.goto(`${server.issuer}/account`)
      await tab.waitForSelector('#login-form')
      expect(complaints).to.deep.equal([])
    })
  }

  it('signs in and out at the account page, and shows nothing after the back button', async () => {
    const { tab, complaints } = await open()
    await tab.goto(server.issuer)
    await tab.click('#account-link')
    await signIn(tab)
    await tab.waitForSelector('#account-email')
    expect(tab.url()).to.equal(`${server.issuer}/account`)
    await tab.click('#sign-out')
    await tab.waitForURL(`${server.issuer}/account/signed-out`)
    await tab.goBack()
    await tab.waitForSelector('#login-form')
    expect(await tab.content()).not.to.include(alice.email)
    expect(complaints).to.deep.equal([])
  })

  it('can be used by keyboard alone, with the focus in the right field', async () => {
    const { tab } = await open()
    await tab.goto(`${server.issuer}/account`)
    await typeInto(tab, '#username', alice.email)
    await tab.keyboard.press('Tab')
    await tab.keyboard.type('wrong')
    await tab.keyboard.press('Enter')
    await tab.waitForSelector('[role=alert]')
    await typeInto(tab, '#password', alice.password)
    await tab.keyboard.press('Enter')
    await tab.waitForSelector('#account-email')
  })

  it('accepts a pasted password (ASVS 6.2.7)', async () => {
    const { tab } = await open()
    await tab.goto(`${server.issuer}/account`)
    await tab.fill('#username', alice.password)
    await tab.focus('#username')
    await tab.keyboard.press('Control+A')
    await tab.keyboard.press('Control+X')
    await tab.focus('#password')
    await tab.keyboard.press('Control+V')
    await tab.fill('#username', alice.email)
    await tab.click('#sign-in')
    await tab.waitForSelector('#account-email')
  })

  it('shows the typed password on request, and submits it from a password field (NIST SP 800-63B-4)', async () => {
    const { tab, complaints } = await open()
    await tab.goto(`${server.issuer}/account`)
    await tab.fill('#username', alice.email)
    await tab.fill('#password', alice.password)
    const type = () => tab.getAttribute('#password', 'type')
    await tab.click('text=Show password')
    expect(await type()).to.equal('text')
    await tab.click('text=Show password')
    expect(await type()).to.equal('password')
    await tab.click('text=Show password')
    // A string: TypeScript has no DOM types here.
    await tab.evaluate(`document.forms[0].addEventListener('submit', () =>
      sessionStorage.setItem('sent-as', document.getElementById('password').type))`)
    await tab.click('#sign-in')
    await tab.waitForSelector('#account-email')
    expect(await tab.evaluate(`sessionStorage.getItem('sent-as')`)).to.equal('password')
    expect(complaints).to.deep.equal([])

    const plain = await open(false)
    await plain.tab.goto(`${server.issuer}/account`)
    expect(await plain.tab.isVisible('text=Show password')).to.equal(false)
  })

  it('submits a form once however often its button is pressed, and the next form at once', async () => {
    const { tab, complaints } = await open()
    const posts: string[] = []
    tab.on('request', (request) => {
      if (request.method() === 'POST') posts.push(new URL(request.url()).pathname)
    })
    /** Clicks a button twice before any response. */
    async function twice(button: string): Promise<void> {
      const { promise: pressed, resolve } = Promise.withResolvers<void>()
      await tab.route('**', async (route) => {
        await pressed
        // The browser may have cancelled this request in favour of the second.
        await route.continue().catch(() => undefined)
      })
      const both = tab.waitForEvent('console', (message) => message.text() === 'twice')
      // Chromium merges two clicks at the same moment, so they are as far apart as those of a person.
      await tab.evaluate(`(() => {
        const button = document.querySelector('${button}')
        button.click()
        setTimeout(() => { button.click(); console.log('twice') }, 50)
      })()`)
      await both
      resolve()
      await tab.unrouteAll({ behavior: 'wait' })
    }

    await tab.goto(`${server.issuer}/account/data`)
    const { pathname } = new URL(tab.url())
    await tab.fill('#username', alice.email)
    await tab.fill('#password', alice.password)
    await twice('#sign-in')
    await tab.waitForSelector('#download')
    expect(posts.splice(0)).to.deep.equal([`${pathname}/login`])

    const [file] = await Promise.all([tab.waitForEvent('download'), tab.click('#download')])
    expect(file.suggestedFilename()).to.equal('account.json')
    await tab.fill('#address', 'another@example.com')
    await tab.click('#delete')
    await tab.waitForSelector('#delete-error')
    posts.splice(0)

    const email = `${randomUUID()}@example.com`
    await server.core.accounts.create('default', { email, password: alice.password })
    const reset = createUserAgent({ origin: server.issuer })
    await reset.submit(await reset.get('/password/forgot'), { fields: { username: email } })
    const mail = await nextMail(
      'the link',
      () => mailbox.mails,
      ({ to, subject }) => to === email && /Choose a new password/.test(subject),
    )
    await tab.goto(mail.link ?? '')
    await tab.fill('#new_password', fresh)
    await tab.fill('#confirm_password', fresh)
    await twice('#save-password')
    await tab.waitForURL('**/password/changed')
    expect(posts).to.deep.equal(['/password/reset'])
    expect(complaints.filter((line) => !/status of 400/.test(line))).to.deep.equal([])
  })

  it('keeps window.opener, so that a pop-up can answer the page that opened it (no COOP)', async () => {
    const { tab, complaints } = await open()
    const request = await party.authorize({ scope: 'openid', prompt: 'login consent' })
    site.html =
      `<button id="enter" onclick="window.open('${request.url.href}','','popup')">Sign in</button>` +
      "<p id=got></p><script>addEventListener('message',e=>got.textContent=e.data);" +
      "if(opener){opener.postMessage(location.href,'*')}</script>"
    await tab.goto(site.origin)
    const [popup] = await Promise.all([tab.waitForEvent('popup'), tab.click('#enter')])
    await signIn(popup)
    await popup.click('#allow')
    await tab.waitForFunction("document.getElementById('got').textContent !== ''")
    const returned = new URL((await tab.textContent('#got')) ?? '')
    expect((await party.finish(request, returned)).access_token).to.be.a('string')
    expect(complaints).to.deep.equal([])
  })

  for (const script of [true, false]) {
    it(`posts the response to the client (form_post), ${script ? 'automatically' : 'by its button'}`, async () => {
      const { tab, complaints } = await open(script)
      const request = await party.authorize({ response_mode: 'form_post', prompt: 'consent' })
      await tab.goto(request.url.href)
      await signIn(tab)
      // The script that prevents double submission must see this submission.
      const heard =
        script &&
        tab.waitForEvent('console', {
          predicate: (message) => message.text() === `sent to ${site.origin}/callback`,
        })
      if (script)
        await tab.addInitScript(
          "addEventListener('submit', ({ target }) => console.log('sent to ' + target.action))",
        )
      await tab.click('#allow')
      if (!script) await tab.click(`form[action="${site.origin}/callback"] button`)
      await tab.waitForURL(`${site.origin}/callback`)
      await heard
      const returned = site.visits.findLast(({ pathname }) => pathname === '/callback')
      expect(returned?.searchParams.get('state')).to.equal(request.state)
      expect(returned?.searchParams.get('iss')).to.equal(server.issuer)
      expect(returned?.searchParams.get('code')).to.be.a('string')
      expect(complaints).to.deep.equal([])
    })
  }

  it('no page can be framed (C24, P-014)', async () => {
    const { tab } = await open()
    await tab.goto(`${server.issuer}/account`)
    await signIn(tab)
    await tab.waitForSelector('#account-email')
    const { url } = await party.authorize({ prompt: 'consent' })
    await tab.goto(url.href)
    const consent = tab.url()
    for (const address of [
      '/',
      '/account',
      '/account/signed-out',
      '/logout',
      '/logout/success',
      '/nowhere',
      '/authorize',
      '/authorize/unknown',
      '/interaction/unknown',
      '/token',
      '/userinfo',
      '/jwks',
      '/.well-known/openid-configuration',
      '/assets/keyturn.svg',
      consent.slice(server.issuer.length),
    ]) {
      const blocked = tab.waitForEvent('console', {
        predicate: (message) =>
          /frame-ancestors|X-Frame-Options|Refused to (display|frame)|Framing/.test(message.text()),
      })
      site.html = `<iframe src="${server.issuer}${address}"></iframe>`
      await tab.goto(site.origin)
      expect((await blocked).type(), address).to.equal('error')
      const framed = tab.frames()[1]
      expect(await framed?.content().catch(() => ''), address).not.to.include('kt-page')
    }
  })

  it('refuses every form sent from another site (C23)', async () => {
    const { tab } = await open()
    await tab.goto(`${server.issuer}/account`)
    await signIn(tab)
    await tab.waitForSelector('#account-email')
    const csrf = (await tab.getAttribute('[name=csrf]', 'value')) ?? ''
    const { url } = await party.authorize({ prompt: 'consent' })
    await tab.goto(url.href)
    const consent = tab.url()
    const token = (await tab.getAttribute('[name=csrf]', 'value')) ?? ''
    for (const [action, fields, expected] of [
      [`${consent}/consent`, { csrf: token, decision: 'allow' }, 400],
      [`${consent}/abort`, { csrf: token }, 400],
      [`${consent}/login`, { csrf: token, username: alice.email, password: alice.password }, 400],
      [`${server.issuer}/logout/confirm`, { xsrf: 'x', logout: 'yes' }, 403],
      [`${server.issuer}/account/sign-out`, { csrf }, 303],
    ] as const) {
      const inputs = Object.entries(fields)
        .map(([name, value]) => `<input name="${name}" value="${value}">`)
        .join('')
      site.html = `<form method="post" action="${action}">${inputs}</form><script>document.forms[0].submit()</script>`
      const answered = tab.waitForResponse((response) => response.request().method() === 'POST')
      await tab.goto(site.origin)
      expect((await answered).status(), action).to.equal(expected)
      await tab.waitForURL((now) => now.origin === server.issuer)
    }
    await tab.goto(`${server.issuer}/account`)
    expect(await tab.textContent('#account-email'), 'still signed in').to.equal(alice.email)
    await tab.goto(consent)
    await tab.waitForSelector('#allow')
  })
})
