import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { protocolChecks } from '../../src/refusals/checks.ts'
import { mends } from '../../src/refusals/mends.ts'

const pageOf = (name: string) =>
  readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

describe('docs/refusals.md', () => {
  it('has every check once, with the text of explain, and no others', () => {
    const rows = [...pageOf('refusals.md').matchAll(/^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$/gm)]
    const written = rows.map(([, name, ...says]) => [name, says])
    expect(written).to.deep.equal(Object.entries(protocolChecks))
  })
})

describe('docs/errors.md', () => {
  it('gives the same advice as explain', () => {
    const rows = [...pageOf('errors.md').matchAll(/^\| `(\w+)` \| .* \| ([^|]+) \|$/gm)]
    // In a terminal links are replaced by the name of the page.
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
