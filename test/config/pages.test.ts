import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { contrast, contrastIn, lightened } from '../../config/colour.ts'
import { ConfigError, loadConfig } from '../../config/load.ts'
import { createTheme } from '../../src/interaction/theme.ts'
import { temporaryFolder } from '../support/child.ts'

const key = { KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') }

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig({ ...key, ...env })
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('contrast', () => {
  it('follows WCAG 2.2', () => {
    expect(contrast('#000000', '#ffffff')).to.equal(21)
    expect(contrast('#ffffff', '#000000')).to.equal(21)
    expect(contrast('#777777', '#ffffff')).to.be.closeTo(4.48, 0.005)
    expect(contrast('#ff0000', '#ffffff')).to.be.closeTo(4.0, 0.005)
  })
})

describe('THEME_ACCENT', () => {
  it('is refused with the reason if its contrast on the pages is too low', () => {
    expect(faultsOf({ THEME_ACCENT: '#ffcc00', THEME_ACCENT_DARK: '#003366' })).to.deep.equal([
      'THEME_ACCENT: expected a colour as #rrggbb with a contrast of 4.5:1 or more against the background of the light pages (WCAG 2.2), got "#ffcc00" (its contrast is 1.38:1; choose a darker one)',
      'THEME_ACCENT_DARK: expected a colour as #rrggbb with a contrast of 4.5:1 or more against the background of the dark pages (WCAG 2.2), got "#003366" (its contrast is 1.25:1; choose a lighter one)',
    ])
    for (const odd of ['red', '#fff', '0f5d58', '#0f5d58;}', '#0f5d5', 'url(//evil.example)']) {
      expect(faultsOf({ THEME_ACCENT: odd })[0], odd).to.match(/^THEME_ACCENT: expected a colour/)
    }
  })

  it('gives buttons, links and text on them sufficient contrast, whatever the colour', () => {
    for (const given of ['#0f5d58', '#6B21A8', '#000000', '#b91c1c', '#1d4ed8']) {
      const config = loadConfig({ ...key, THEME_ACCENT: given })
      const { assets, theme } = createTheme(config, '/t/acme')
      expect(theme.stylesheetUrl).to.match(/^\/t\/acme\/assets\/theme\.css\?v=[\w-]{16}$/)
      const css = assets.get('theme.css')?.body.toString() ?? ''
      const rules = css.split('@media (prefers-color-scheme: dark)')
      for (const [i, scheme] of (['light', 'dark'] as const).entries()) {
        const colours = [...(rules[i] ?? '').matchAll(/#[\da-f]{6}/g)].map(([colour]) => colour)
        const [accent = '', deep = '', on = ''] = colours
        expect(contrastIn(scheme, accent), `${given} ${scheme}`).to.be.at.least(4.5)
        expect(contrastIn(scheme, deep), `${given} ${scheme}`).to.be.at.least(4.5)
        expect(contrast(on, accent), `${given} ${scheme}`).to.be.at.least(4.5)
        expect(contrast(on, deep), `${given} ${scheme}`).to.be.at.least(4.5)
      }
    }
    expect(lightened('#ffffff')).to.equal('#ffffff')
  })

  it('for dark pages only leaves light ones unchanged', () => {
    const config = loadConfig({ ...key, THEME_ACCENT_DARK: '#f9a8d4' })
    const css = createTheme(config, '').assets.get('theme.css')?.body.toString()
    expect(css).to.match(/^@media \(prefers-color-scheme: dark\)/)
  })

  it('needs no stylesheet if nothing is set', () => {
    const { theme, assets } = createTheme(loadConfig(key), '')
    expect(theme).to.deep.equal({ name: 'Keyturn' })
    expect(assets.size).to.equal(0)
  })
})

describe('THEME_LOGO_FILE', () => {
  let folder: string
  before(async () => {
    folder = await temporaryFolder('logos')
  })

  async function typeOf(content: string | Buffer): Promise<string | undefined> {
    const path = join(folder, 'logo')
    await writeFile(path, content)
    return (
      faultsOf({ THEME_LOGO_FILE: path })[0] ??
      loadConfig({ ...key, THEME_LOGO_FILE: path }).themeLogo?.type
    )
  }

  it('has the type of its content, whatever its name', async () => {
    const png = Buffer.from('89504e470d0a1a0a0000', 'hex')
    expect(await typeOf(png)).to.equal('image/png')
    expect(await typeOf(Buffer.from('ffd8ffe000104a46', 'hex'))).to.equal('image/jpeg')
    expect(await typeOf('GIF89a…')).to.equal('image/gif')
    expect(await typeOf('RIFF\x10\0\0\0WEBPVP8 ')).to.equal('image/webp')
    expect(await typeOf('<?xml version="1.0"?>\n<!-- us -->\n<svg xmlns="…"></svg>')).to.equal(
      'image/svg+xml',
    )
  })

  it('is refused if it is not an image, too large or missing', async () => {
    const expected = 'expected a file of at most 262144 bytes that is SVG, PNG, JPEG, GIF or WebP'
    for (const [content, reason] of [
      ['<html><svg></svg></html>', 'it has another format'],
      ['<script>alert(1)</script><svg>', 'it has another format'],
      ['', 'it has another format'],
      [Buffer.alloc(262_145), 'it has 262145 bytes'],
    ] as const) {
      expect(await typeOf(content))
        .to.include(`THEME_LOGO_FILE: ${expected}`)
        .and.include(`(${reason})`)
    }
    const missing = faultsOf({ THEME_LOGO_FILE: join(folder, 'nowhere.png') })
    expect(missing[0]).to.include('(ENOENT)')
    expect(faultsOf({ THEME_LOGO_FILE: folder })[0]).to.include('(EISDIR)')
  })
})
