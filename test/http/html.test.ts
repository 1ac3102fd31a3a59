import { expect } from 'chai'
import { parse } from 'node-html-parser'
import { escapeHtml, type Html, html } from '../../src/http/html.ts'

const corpus = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' autofocus onfocus='alert(1)",
  '` onmouseover=alert(1) `',
  '</title><svg onload=alert(1)>',
  '<!--<img src="--><img src=x onerror=alert(1)//">',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '<<a//onclick=alert(1)>',
  'javascript:alert(1)',
  '\u0000<b>\u202e',
]

describe('http/html', () => {
  it('escapes the six characters that are special in markup', () => {
    expect(escapeHtml(`&<>"'\``)).to.equal('&amp;&lt;&gt;&quot;&#39;&#96;')
  })

  for (const payload of corpus) {
    it(`keeps ${JSON.stringify(payload)} text, in content and in an attribute (P-071)`, () => {
      const page = parse(html`<p title="${payload}">${payload}</p>`.markup)
      const paragraph = page.querySelector('p')
      expect(page.querySelectorAll('*')).to.have.length(1)
      expect(Object.keys(paragraph?.attributes ?? {})).to.deep.equal(['title'])
      expect(paragraph?.rawText).to.equal(escapeHtml(payload))
      expect(paragraph?.textContent).to.equal(payload)
      expect(paragraph?.getAttribute('title')).to.equal(payload)
    })
  }

  it('inserts markup and lists of markup unchanged', () => {
    const items = ['a', '<b>'].map((item) => html`<li>${item}</li>`)
    expect(html`<ul>${items}</ul>`.markup).to.equal('<ul><li>a</li><li>&lt;b&gt;</li></ul>')
    expect(html`${['<', [html`<br>`]]}`.markup).to.equal('&lt;<br>')
  })

  it('prints nothing for undefined, null and false, and numbers and empty strings unchanged', () => {
    expect(html`[${undefined}${null}${false}${''}${0}]`.markup).to.equal('[0]')
  })

  it('escapes objects that imitate markup', () => {
    const forged = JSON.parse('{"markup":"<script></script>"}') as Html
    expect(html`${forged}`.markup).not.to.include('<script>')
    const dressed = { ...html`<br>`, markup: '<script></script>', toString: () => '<script>' }
    expect(html`${dressed}`.markup).to.equal('&lt;script&gt;')
  })

  it('converts to a string', () => {
    expect(String(html`<p>${'&'}</p>`)).to.equal('<p>&amp;</p>')
  })
})
