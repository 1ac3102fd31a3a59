import { expect } from 'chai'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import { expectNoEnglish } from '../support/german.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, tokensFor } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { arrive, credentials, headingOf } from './story.ts'

const de = { ui_locales: 'fr-CH de-AT en' }

onAnyStorage('people: German pages for those who ask for German', (kind) => {
  const server = booted(kind, {}, furnish)

  function expectGerman(page: Page, heading: string): void {
    expect(page.root.querySelector('html')?.getAttribute('lang'), page.body).to.equal('de')
    expect(headingOf(page)).to.equal(heading)
    expectNoEnglish(page.root, heading)
  }
  const langOf = (page: Page) => page.root.querySelector('html')?.getAttribute('lang')

  it('from ui_locales, through sign-in with its errors and consent to the client (OIDC Core §3.1.2.1)', async () => {
    const { agent, page } = await arrive(server, web, de)
    expectGerman(page, 'Anmelden')
    const empty = await agent.submit(page)
    expectGerman(empty, 'Anmelden')
    const wrong = await agent.submit(page, { fields: { username: 'nobody', password: 'wrong' } })
    expectGerman(wrong, 'Anmelden')
    const consent = await agent.follow(await agent.submit(wrong, { fields: credentials }))
    expectGerman(consent, 'Darf Example web app Ihr Konto verwenden?')
    const forged = await agent.post(`${consent.url.href}/consent`, { csrf: 'forged' })
    expectGerman(forged, 'Wir konnten nicht bestätigen, dass Sie es waren')
    const done = await agent.submit(consent)
    expect((await agent.follow(done)).location?.searchParams.get('code')).to.be.a('string')
  })

  it('at the choice of a new password', async () => {
    const { accounts } = server.core
    const { oneTimePassword } = await accounts.create('default', { email: 'neu@example.com' })
    const fields = { username: 'neu@example.com', password: oneTimePassword as string }
    const { agent, page } = await arrive(server, web, de)
    const choice = await agent.follow(await agent.submit(page, { fields }))
    expectGerman(choice, 'Neues Passwort wählen')
    const short = await agent.submit(choice, {
      fields: { new_password: 'kurz', confirm_password: 'kurz' },
    })
    expectGerman(short, 'Neues Passwort wählen')
  })

  it('on the account page, from its address through sign-in to sign-out', async () => {
    const agent = createUserAgent()
    const address = `${server.issuer}/account?ui_locales=de`
    const home = await agent.get(`${server.issuer}/?ui_locales=de`)
    expectGerman(home, 'Anmeldedienst')
    const link = home.root.querySelector('#account-link')?.getAttribute('href')
    expect(new URL(link ?? '', server.issuer).href).to.equal(address)

    const cancelled = await agent.submit(await agent.follow(await agent.get(address)), {
      form: '#cancel-form',
    })
    expectGerman(await agent.follow(cancelled), 'Anmeldedienst')

    const login = await agent.follow(await agent.get(address))
    expectGerman(login, 'Anmelden')
    const account = await agent.follow(await agent.submit(login, { fields: credentials }))
    expectGerman(account, 'Ihr Konto')
    const out = await agent.follow(await agent.submit(account, { form: '#sign-out-form' }))
    expectGerman(out, 'Sie sind abgemeldet')
    const again = out.root.querySelector('#sign-in-again')?.getAttribute('href')
    expect(again).to.equal('/account?ui_locales=de')
  })

  it('through RP-initiated logout, signed in or not (RP-Initiated Logout §2)', async () => {
    const agent = createUserAgent()
    await tokensFor(server, spa, {}, agent)
    const address = `${server.issuer}/logout?ui_locales=de&client_id=${spa.client_id}`
    const asked = await agent.get(address)
    expectGerman(asked, 'Abmelden?')
    const stayed = await agent.follow(await agent.submit(asked, { form: '#stay-form' }))
    expectGerman(stayed, 'Ihr Konto')
    const left = await agent.follow(await agent.submit(await agent.get(address)))
    expectGerman(left, 'Sie sind abgemeldet')

    const nobody = createUserAgent()
    expectGerman(await nobody.follow(await nobody.get(address)), 'Sie sind abgemeldet')
  })

  it('on error pages of oidc-provider and of our own', async () => {
    const agent = createUserAgent()
    const unknown = authorizeUrl(server, { client_id: 'nobody' }, de)
    expectGerman(await agent.get(unknown), 'Wir kennen diese Anwendung nicht')
    const elsewhere = authorizeUrl(server, web, { ...de, redirect_uri: 'https://evil.example/' })
    expectGerman(await agent.get(elsewhere), 'Diese Adresse ist nicht registriert')
    const lost = await agent.get(`${server.issuer}/nowhere?ui_locales=de`)
    expectGerman(lost, 'Diese Seite gibt es nicht')
    const cookieless = await agent.get(`${server.issuer}/account/callback?code=x&state=de`)
    expectGerman(cookieless, 'Sie sind nicht angemeldet')
    const late = await agent.get(`${server.issuer}/interaction/gone?ui_locales=de`)
    expectGerman(late, 'Diese Seite ist abgelaufen')
  })

  it('from Accept-Language when ui_locales has no available language', async () => {
    const speak = async (accept: string | null, fields = {}) => {
      const agent = createUserAgent()
      const headers = { 'accept-language': accept }
      const begun = await agent.get(authorizeUrl(server, web, fields), { headers })
      return langOf(await agent.get(begun.location as URL, { headers }))
    }
    expect(await speak('de-CH, de;q=0.9, en;q=0.5')).to.equal('de')
    expect(await speak('en;q=0.5, de;q=0.9')).to.equal('de')
    expect(await speak('de;q=0, en')).to.equal('en')
    expect(await speak('fr, *')).to.equal('en')
    expect(await speak(null)).to.equal('en')
    expect(await speak('de', { ui_locales: 'en' })).to.equal('en')
    expect(await speak('de', { ui_locales: 'xx' })).to.equal('de')
  })

  it('ignores invalid languages: long, markup, prototypes, repeated (C18, P-071)', async () => {
    for (const hostile of [
      'x'.repeat(10_000),
      'de-'.repeat(3000),
      ' '.repeat(5000),
      '"><script>alert(1)</script>',
      '__proto__ constructor toString',
      'de\r\nSet-Cookie: a=b',
      '../../etc/passwd',
      'ＤＥ 🇩🇪',
    ]) {
      const { page } = await arrive(server, web, { ui_locales: hostile })
      expect(page.status, hostile.slice(0, 30)).to.equal(200)
      expect(page.body).not.to.include('<script>').and.not.to.include('etc/passwd')
      expect(['en', 'de']).to.include(langOf(page))
    }
    const agent = createUserAgent()
    const account = `${server.issuer}/account?ui_locales=${encodeURIComponent('"><b>')}`
    const begun = await agent.get(account)
    expect(begun.location?.search, 'unknown language not passed on').not.to.match(/locales|%3Cb/)
    const twice = await agent.get(authorizeUrl(server, web, { ui_locales: ['de', 'en'] }))
    expect(twice.location?.searchParams.get('error'), 'repeated').to.equal('invalid_request')
    const query = await agent.get(`${server.issuer}/nowhere?ui_locales=de&ui_locales=en`)
    expect(langOf(query)).to.equal('en')
  })
})

describe('people: DEFAULT_LANGUAGE', () => {
  const server = booted(anyStorage, { DEFAULT_LANGUAGE: 'de' })

  it('applies when no language or no available one is requested', async () => {
    for (const accepted of [undefined, 'fr', 'tlh, *;q=0.1']) {
      const page = await exchange({
        method: 'GET',
        url: new URL(server.issuer),
        headers: { accept: 'text/html', ...(accepted ? { 'accept-language': accepted } : {}) },
      })
      expect(page.root.querySelector('html')?.getAttribute('lang'), accepted).to.equal('de')
    }
    const english = await createUserAgent().get(server.issuer)
    expect(english.root.querySelector('html')?.getAttribute('lang')).to.equal('en')
  })
})
