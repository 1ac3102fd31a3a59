import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { type HTMLElement, parse } from 'node-html-parser'
import { accountPage } from '../../src/interaction/pages/account.ts'
import { type ConsentView, consentPage } from '../../src/interaction/pages/consent.ts'
import { errorPage } from '../../src/interaction/pages/error.ts'
import { loginPage } from '../../src/interaction/pages/login.ts'
import { logoutPage, signedOutPage } from '../../src/interaction/pages/logout.ts'
import { messagesOf, scopeText } from '../../src/interaction/pages/messages.ts'
import { passwordPage } from '../../src/interaction/pages/password.ts'
import { consentView, everyPage } from '../support/every-page.ts'

const messages = messagesOf('en')
const context = { messages, basePath: '/t/acme', theme: { name: 'Keyturn' } }
const payloads = [
  '"><img src=x onerror=alert(1)>',
  '</title><script>alert(1)</script>',
  "' onfocus='alert(1)' autofocus='",
  'JaVaScRiPt:alert(1)',
  '` style=`x:expression(alert(1))',
]

const pages = Object.entries(everyPage(context, 'plain'))

/** The names of the top-level functions in a source file that build a document. */
function pageMakers(source: string): string[] {
  if (!/\bpage\b[^']*'[./a-z]*\/layout\.ts'|account-layout\.ts'/.test(source)) return []
  return source
    .split(/^(?=(?:export )?(?:async )?(?:function|const) )/m)
    .filter((part) => /[^\w.](?:page|accountSection)\((?:context|pageContext)/.test(part))
    .map((part) => /^(?:export )?(?:async )?(?:function|const) (\w+)/.exec(part)?.[1] ?? part)
}

function firstSubmit(page: string): HTMLElement | undefined {
  return (
    parse(page).querySelector('form')?.querySelector('button[type=submit], input[type=submit]') ??
    undefined
  )
}

describe('interaction/pages: every page', () => {
  it('is in test/support/every-page.ts, which the checks here and in Chromium use', () => {
    const known = readFileSync(new URL('../support/every-page.ts', import.meta.url), 'utf8')
    const source = new URL('../../src/', import.meta.url)
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
    const makers = files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const names = pageMakers(readFileSync(new URL(file, source), 'utf8'))
        return names.map((name) => ({ name, file }))
      })
      // The reference of the admin API is for programmers, and has tests of its own.
      .filter(({ name }) => !['accountSection', 'referencePage'].includes(name))
    expect(makers).to.have.length.above(25)
    for (const { name, file } of makers) {
      expect(file, `${name} is a page: move it there`).to.match(/^interaction\/pages\//)
      expect(known, `${name} of ${file} is not listed`).to.include(`${name}(context`)
    }
  })

  for (const [page, markup] of pages) {
    it(`${page} has one h1, landmarks, a language and our style sheet`, () => {
      const document = parse(markup)
      expect(markup).to.match(/^<!doctype html>\n<html lang="en">/)
      for (const one of ['h1', 'header', 'main', 'footer', 'title']) {
        expect(document.querySelectorAll(one), one).to.have.length(1)
      }
      const sheet = document.querySelector('link[rel=stylesheet]')?.getAttribute('href')
      expect(sheet).to.match(/^\/t\/acme\/assets\/keyturn\.css\?v=[\w-]{16}$/)
    })

    it(`${page} has no inline script, style or event handler (ASVS 3.4.3)`, () => {
      for (const script of parse(markup).querySelectorAll('script')) {
        expect(script.textContent).to.equal('')
        expect(script.getAttribute('src')).to.match(/^\/t\/acme\/assets\/[a-z-]+\.js\?v=[\w-]{16}$/)
      }
      for (const element of parse(markup).querySelectorAll('*')) {
        expect(element.tagName).not.to.be.oneOf(['STYLE', 'IFRAME', 'OBJECT', 'BASE'])
        const names = Object.keys(element.attributes).map((name) => name.toLowerCase())
        expect(names.filter((name) => name === 'style' || name.startsWith('on'))).to.deep.equal([])
      }
    })

    it(`${page} labels every field and has no duplicate id`, () => {
      const document = parse(markup)
      const ids = document.querySelectorAll('[id]').map((element) => element.id)
      expect(new Set(ids).size).to.equal(ids.length)
      for (const field of document.querySelectorAll('input')) {
        if (field.getAttribute('type') === 'hidden') continue
        expect(document.querySelector(`label[for=${field.id}]`), field.id).not.to.equal(null)
        for (const id of field.getAttribute('aria-describedby')?.split(' ') ?? []) {
          expect(ids).to.include(id)
        }
      }
    })

    it(`${page} sends every form by POST with a CSRF token`, () => {
      for (const form of parse(markup).querySelectorAll('form')) {
        expect(form.getAttribute('method')).to.equal('post')
        expect(
          form.querySelectorAll(
            'input[type=hidden]:not([name=token], [name=credential], [name=shown])',
          ),
        ).to.have.length(1)
      }
    })
  }

  for (const payload of payloads) {
    for (const [page, markup] of Object.entries(everyPage(context, payload))) {
      it(`${page} renders ${payload} as text (P-071)`, () => {
        const shape = (from: string): string[] =>
          parse(from)
            .querySelectorAll('*')
            .map((element) => [element.tagName, ...Object.keys(element.attributes)].join(' '))
        if (/[<>"'`]/.test(payload)) expect(markup).not.to.include(payload)
        expect(shape(markup)).to.deep.equal(shape(everyPage(context, 'plain')[page] ?? ''))
      })
    }
  }

  it('quotes every attribute value', () => {
    const folder = new URL('../../src/interaction/pages/', import.meta.url)
    for (const file of readdirSync(folder)) {
      expect(readFileSync(new URL(file, folder), 'utf8'), file).not.to.match(/\s[a-z-]+=\$\{/)
    }
  })

  it('takes its name, logo and style sheet from the theme', () => {
    const theme = { name: 'Acme <ID>', logoUrl: '/logo.png', stylesheetUrl: '/acme.css' }
    const document = parse(signedOutPage({ ...context, theme }, { signIn: { href: '/' } }))
    expect(document.querySelector('.kt-brand')?.textContent).to.equal('Acme <ID>')
    expect(document.querySelector('.kt-logo')?.getAttribute('src')).to.equal('/logo.png')
    expect(document.querySelectorAll('link[rel=stylesheet]')).to.have.length(2)
  })
})

describe('interaction/pages: the first form is the step (K-09)', () => {
  it('sign in: username, password and csrf, then the button; cancel is a second form', () => {
    const view = { action: '/login', csrf: 'c', cancel: { action: '/cancel' } }
    const markup = loginPage(context, view)
    const [form, cancel] = parse(markup).querySelectorAll('form')
    const names = form?.querySelectorAll('input').map((field) => field.getAttribute('name'))
    expect(names).to.deep.equal(['csrf', 'username', 'password'])
    expect(form?.getAttribute('action')).to.equal('/login')
    expect(firstSubmit(markup)?.textContent).to.equal('Sign in')
    expect(cancel?.getAttribute('action')).to.equal('/cancel')
    expect(cancel?.querySelector('input')?.getAttribute('value')).to.equal('c')
  })

  it('sign in: password managers and pasting work, an empty form reaches the server (ASVS 6.2.7, K-10)', () => {
    const document = parse(loginPage(context, { action: '/', csrf: 'c' }))
    const username = document.querySelector('#username')
    expect(username?.getAttribute('autocomplete')).to.equal('username')
    expect(username?.getAttribute('autocapitalize')).to.equal('none')
    const password = document.querySelector('#password')
    expect(password?.getAttribute('autocomplete')).to.equal('current-password')
    expect(document.querySelectorAll('[required], [maxlength], [pattern]')).to.deep.equal([])
  })

  it('sign in: an error is announced and the password has the focus', () => {
    const view = { action: '/', csrf: 'c', username: 'ada', error: 'invalid' as const }
    const document = parse(loginPage(context, view))
    expect(document.querySelector('[role=alert]')?.id).to.equal('login-error')
    const password = document.querySelector('#password')
    expect(password?.getAttribute('aria-invalid')).to.equal('true')
    expect(password?.getAttribute('aria-describedby')).to.equal('login-error')
    expect(password?.hasAttribute('value')).to.equal(false)
    expect(document.querySelectorAll('[autofocus]').map(({ id }) => id)).to.deep.equal(['password'])
    expect(document.querySelector('#username')?.getAttribute('value')).to.equal('ada')
    expect(document.querySelector('title')?.textContent).to.equal('Error: Sign in · Keyturn')
  })

  it('consent: allow comes first, deny after it in the same form', () => {
    const buttons = parse(consentPage(context, consentView('plain'))).querySelectorAll('button')
    const said = buttons.map((button) => [
      button.textContent,
      button.getAttribute('name'),
      button.getAttribute('value'),
      button.getAttribute('formaction'),
    ])
    expect(said).to.deep.equal([
      ['Allow', 'decision', 'allow', undefined],
      ['Deny', 'decision', 'deny', '/cancel'],
    ])
  })

  it('new password: both fields, and the account name for password managers', () => {
    const view = { action: '/', csrf: 'c', email: 'ada@example.com', minLength: 12 }
    const fields = parse(passwordPage(context, view)).querySelectorAll('form input')
    const said = fields.map((field) => [
      field.getAttribute('name'),
      field.getAttribute('autocomplete'),
    ])
    expect(said).to.deep.equal([
      ['csrf', undefined],
      ['username', 'username'],
      ['new_password', 'new-password'],
      ['confirm_password', 'new-password'],
    ])
  })

  it('sign out: the first form sends logout=yes, the second stays signed in and sends no such field', () => {
    const view = { action: '/end', csrfField: { name: 'xsrf', value: 's' } }
    const [leave, stay] = parse(logoutPage(context, view)).querySelectorAll('form')
    expect(leave?.querySelector('button')?.getAttribute('name')).to.equal('logout')
    expect(leave?.querySelector('button')?.getAttribute('value')).to.equal('yes')
    expect(stay?.querySelector('button')?.hasAttribute('name')).to.equal(false)
    for (const form of [leave, stay]) {
      expect(form?.getAttribute('action')).to.equal('/end')
      expect(form?.querySelector('input[name=xsrf]')?.getAttribute('value')).to.equal('s')
    }
  })

  it('account: the first form signs out (ASVS 7.4.4)', () => {
    const account = { email: 'ada@example.com', emailVerified: true, id: '1' }
    const markup = accountPage(context, {
      account,
      signOut: { action: '/out', csrf: 'c' },
      everywhere: '/out-everywhere',
      requests: [],
    })
    expect(parse(markup).querySelector('form')?.getAttribute('action')).to.equal('/out')
    expect(firstSubmit(markup)?.textContent).to.equal('Sign out')
  })
})

describe('interaction/pages: consent is informed (ASVS 10.7.2)', () => {
  const view: ConsentView = {
    ...consentView('plain'),
    client: {
      name: 'Harbour',
      clientId: 'https://harbour.example/client.json',
      uri: 'https://www.harbour.example/',
      policyUri: 'https://harbour.example/privacy',
    },
    redirectHost: 'app.harbour.example:8443',
    scopes: ['openid', 'email', 'offline_access', 'x:odd'].map((scope) => ({
      scope,
      text: scopeText(messages, scope),
    })),
    resources: [{ identifier: 'https://files.example/', scopes: [{ scope: 'r', text: 'Read' }] }],
  }
  const text = (of: ConsentView): string => parse(consentPage(context, of)).textContent

  it('names client, account, scopes, resource, and the hosts of client_id and redirect URI (P-089)', () => {
    for (const part of [
      ...['Harbour', 'plain', 'Recognise you', 'See your e-mail address', 'x:odd'],
      ...['https://files.example/', 'Read', 'while you are away'],
    ]) {
      expect(text(view)).to.include(part)
    }
    const codes = parse(consentPage(context, view))
      .querySelectorAll('.kt-facts code')
      .map((code) => code.textContent)
    expect(codes).to.deep.equal(['harbour.example', 'app.harbour.example:8443', 'plain'])
  })

  it('mentions offline access once; without it, says when the access ends', () => {
    expect(text(view).match(/while you are away/g)).to.have.length(1)
    expect(text({ ...view, offline: false })).to.include('ends when you sign out')
    const plain = { ...view, offline: false, scopes: [] }
    expect(text(plain)).to.include('after a limited time')
  })

  it('says what a resource without scopes means', () => {
    const resources = [{ identifier: 'https://files.example/', scopes: [] }]
    expect(text({ ...view, resources })).to.include('Act on your behalf')
  })

  it("warns of a client on the user's computer and of an unverified one, and of no other (P-089, ASVS 10.4.7)", () => {
    const trusted = consentPage(context, { ...view, toLoopback: false, unverified: false })
    expect(parse(trusted).querySelectorAll('[role=note]')).to.deep.equal([])
    const client = { ...view.client, logoUrl: '/logo' }
    const logos = [true, false].map((unverified) =>
      parse(consentPage(context, { ...view, client, unverified })).querySelectorAll('#client-logo'),
    )
    expect(
      logos.map(({ length }) => length),
      'no logo of an unverified client',
    ).to.deep.equal([0, 1])
    expect(text(view)).to.include('runs on your own computer')
    expect(text(view)).to.include('Nobody has checked who is behind Harbour')
  })

  it('links only to https, without opener or referrer (C12)', () => {
    const links = parse(consentPage(context, view)).querySelectorAll('a')
    expect(links).to.have.length(2)
    for (const link of links) expect(link.getAttribute('rel')).to.equal('noopener noreferrer')
    for (const uri of [
      'JaVaScRiPt:alert(1)',
      'data:text/html,x',
      'http://x.example/',
      '//x.example',
    ]) {
      const client = { ...view.client, uri, policyUri: uri, tosUri: uri }
      expect(parse(consentPage(context, { ...view, client })).querySelectorAll('a')).to.deep.equal(
        [],
      )
    }
  })
})

describe('interaction/pages: errors and scopes', () => {
  const heading = (error: string, status: number): string | undefined =>
    parse(errorPage(context, { status, error, id: 'e1', time: 0 })).querySelector('h1')?.textContent

  it('words an error by its code, and an unknown code by its status', () => {
    expect(heading('access_denied', 400)).to.equal(messages.error.kinds.denied.title)
    expect(heading('odd', 404)).to.equal(messages.error.kinds.not_found.title)
    expect(heading('odd', 502)).to.equal(messages.error.kinds.broken.title)
    expect(heading('constructor', 400)).to.equal(messages.error.kinds.request.title)
  })

  it('shows the reference, the code and the description', () => {
    const refusal = { status: 400, error: 'invalid_scope', description: 'no such scope' }
    const view = { ...refusal, id: 'e-42', time: Date.UTC(2026, 0, 2, 3, 4, 5) }
    const document = parse(errorPage(context, view))
    expect(document.textContent).to.include('January 2, 2026 at 3:04:05 AM UTC')
    expect(document.querySelector('#error-id')?.textContent).to.equal('e-42')
    expect(document.querySelector('#error-code')?.textContent).to.equal('invalid_scope')
    expect(document.querySelector('#error-description')?.textContent).to.equal('no such scope')
  })

  it('formats the time without a new formatter per page, since strangers can cause any number of pages (C18)', () => {
    const page = () => errorPage(context, { status: 404, error: 'not_found', id: 'e1', time: 0 })
    page()
    const { DateTimeFormat } = Intl
    let made = 0
    Intl.DateTimeFormat = class extends DateTimeFormat {
      constructor(...given: ConstructorParameters<typeof DateTimeFormat>) {
        super(...given)
        made++
      }
    } as typeof DateTimeFormat
    try {
      for (let i = 0; i < 10; i++) page()
    } finally {
      Intl.DateTimeFormat = DateTimeFormat
    }
    expect(made).to.equal(0)
  })

  it('shows an unknown scope by its name', () => {
    expect(scopeText(messages, 'profile')).to.equal('See your name and your profile')
    expect(scopeText(messages, 'toString')).to.equal('toString')
  })
})
