import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { protocolChecks } from '../../src/refusals/checks.ts'
import { mends } from '../../src/refusals/mends.ts'

const pageOf = (name: string) =>
  readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

describe('docs/refusals.md', () => {
  it('has every check once, as explain says it, and no other', () => {
    const rows = [...pageOf('refusals.md').matchAll(/^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$/gm)]
    const written = rows.map(([, name, ...says]) => [name, says])
    expect(written).to.deep.equal(Object.entries(protocolChecks))
  })
})

describe('docs/errors.md', () => {
  it('says what to do as explain does', () => {
    const rows = [...pageOf('errors.md').matchAll(/^\| `(\w+)` \| .* \| ([^|]+) \|$/gm)]
    // A terminal has no links: the page is named.
    const plain = (text: string) =>
      text
        .replaceAll(/\[([^\]]*)\]\(([^)#]*)[^)]*\)/g, '$1 (docs/$2)')
        .replaceAll('docs/../', '')
        .replaceAll("'", '’')
    expect(
      Object.fromEntries(rows.map(([, code, says = '']) => [code, plain(says)])),
    ).to.deep.equal(mends)
  })
})
