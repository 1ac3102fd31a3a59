import { expect } from 'chai'
import { parse } from 'node-html-parser'
import { settings } from '../../config/config.ts'
import { languages } from '../../config/pages.ts'
import { type Html, html } from '../../src/http/html.ts'
import { counted, momentText } from '../../src/interaction/pages/format.ts'
import { messagesOf, spoken } from '../../src/interaction/pages/messages.ts'
import { everyPage } from '../support/every-page.ts'
import { expectNoEnglish, textsByPath } from '../support/german.ts'

describe('interaction/pages: languages', () => {
  it('are those that the setting accepts, each under its own tag', () => {
    const { schema } = settings.language
    for (const language of languages) {
      expect(schema.safeParse(language).success).to.equal(true)
      expect(messagesOf(language).locale).to.equal(language)
    }
  })

  it('have the same keys and placeholders, and no text left untranslated', () => {
    const english = textsByPath(messagesOf('en'))
    const german = textsByPath(messagesOf('de'))
    expect([...german.keys()]).to.have.members([...english.keys()])
    const alike = [...german].filter(([key, text]) => text === english.get(key))
    // Words that both languages share.
    expect(alike.map(([key]) => key)).to.deep.equal([
      'consent.website',
      'factors.kinds.passkey',
      'error.status',
      'account.name',
    ])
    for (const [key, text] of german) {
      expect(text, key).not.to.equal('')
      const marks = (of: string) => of.match(/⟦x⟧|\b15\b/g)
      expect(marks(text), key).to.deep.equal(marks(english.get(key) ?? ''))
    }
  })

  it('include German on every page, with no English sentence and no message key (K-10)', () => {
    const theme = { name: '⟦x⟧' }
    const pages = everyPage({ messages: messagesOf('de'), basePath: '', theme }, '⟦x⟧')
    for (const [page, markup] of Object.entries(pages)) {
      expect(markup, page).to.include('<html lang="de">')
      expectNoEnglish(parse(markup), page)
    }
  })

  it('are chosen by the first tag that is available (BCP 47)', () => {
    const served = (...tags: string[]) => spoken(tags)?.locale
    expect(served('xx', 'en-GB', 'de')).to.equal('en')
    expect(served('de-AT')).to.equal('de')
    expect(served('DE')).to.equal('de')
    expect(served()).to.equal(undefined)
    for (const hostile of ['', '-', 'constructor', '__proto__', 'deutsch', '*', '"><script>']) {
      expect(served(hostile), hostile).to.equal(undefined)
    }
    expect(served(...Array<string>(20).fill('xx'), 'de'), 'too many tags').to.equal(undefined)
  })

  it('format numbers, plurals and times by their own rules', () => {
    const english = counted('en', { one: 'character', other: 'characters' })
    expect([english(1), english(15), english(1200)]).to.deep.equal([
      '1 character',
      '15 characters',
      '1,200 characters',
    ])
    expect(counted('de', { other: 'Zeichen' })(1200)).to.equal('1.200 Zeichen')
    const time = Date.UTC(2026, 0, 2, 15, 4, 5)
    expect(momentText('de', time)).to.equal('2. Januar 2026 um 15:04:05 UTC')
  })

  it('escape markup in the values of a sentence', () => {
    const { heading } = messagesOf('de').consent
    const sentence: Html = heading(html`${'<b>'}`)
    expect(sentence.markup).to.equal('Darf &lt;b&gt; Ihr Konto verwenden?')
  })
})
