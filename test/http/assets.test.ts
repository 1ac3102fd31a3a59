import { expect } from 'chai'
import { contrast, grounds } from '../../config/colour.ts'
import { assetVersion, loadAssets } from '../../src/http/assets.ts'

describe('http/assets', () => {
  it('contains the style sheet, the logo and the scripts, with media types and strong validators', () => {
    expect([...loadAssets().keys()]).to.deep.equal([
      'keyturn.css',
      'keyturn.svg',
      'once.js',
      'passkey.js',
      'show-password.js',
      'submit.js',
    ])
    for (const { body, etag } of loadAssets().values()) {
      expect(body.length).to.be.greaterThan(100)
      expect(etag).to.match(/^"[\w-]{16}"$/)
    }
    expect(loadAssets().get('keyturn.css')?.type).to.equal('text/css; charset=utf-8')
    expect(loadAssets().get('keyturn.svg')?.type).to.equal('image/svg+xml')
  })

  it('versions a link by its content', () => {
    expect(`"${assetVersion('keyturn.css')}"`).to.equal(loadAssets().get('keyturn.css')?.etag)
    expect(assetVersion('keyturn.css')).not.to.equal(assetVersion('keyturn.svg'))
  })

  it('loads nothing external and contains no script (ASVS 3.4.3)', () => {
    const css = loadAssets().get('keyturn.css')?.body.toString() ?? ''
    expect(css).not.to.match(/@import|url\(/)
    const svg = loadAssets().get('keyturn.svg')?.body.toString() ?? ''
    expect(svg).not.to.match(/<script|<style|style=|\son\w+=|href/)
  })

  for (const scheme of ['light', 'dark'] as const) {
    it(`has colours that meet WCAG 2.2 AA in the ${scheme} scheme (1.4.3, 1.4.11)`, () => {
      const colour = palette(scheme)
      expect(['surface', 'canvas', 'sunken'].map(colour)).to.deep.equal(grounds[scheme])
      const pairs: Array<[string, string, number]> = [
        ['text', 'surface', 4.5],
        ['text', 'canvas', 4.5],
        ['text', 'sunken', 4.5],
        ['muted', 'surface', 4.5],
        ['muted', 'canvas', 4.5],
        ['muted', 'sunken', 4.5],
        ['accent', 'surface', 4.5],
        ['accent-deep', 'surface', 4.5],
        ['on-accent', 'accent', 4.5],
        ['on-accent', 'accent-deep', 4.5],
        ['danger', 'danger-soft', 4.5],
        ['caution', 'caution-soft', 4.5],
        ['good', 'good-soft', 4.5],
        ['edge', 'surface', 3],
        ['danger', 'surface', 3],
      ]
      for (const [ink, ground, least] of pairs) {
        const found = contrast(colour(ink), colour(ground))
        expect(found, `${ink} on ${ground}`).to.be.at.least(least)
      }
    })
  }
})

function palette(scheme: string): (name: string) => string {
  const css = loadAssets().get('keyturn.css')?.body.toString() ?? ''
  const [light = '', dark = ''] = css.split('@media (prefers-color-scheme: dark) {')
  return (name) =>
    new RegExp(`--kt-${name}: (#[0-9a-f]{6})`).exec(scheme === 'dark' ? dark : light)?.[1] ?? ''
}
