import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { domainErrors } from '../../src/errors.ts'

describe('docs/errors.md', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| `(\w+)` \| (.+) \| (.+) \|$/gm)]

  it('has every error code once, with its status and OAuth error, and no others', () => {
    const written = rows.map(([, code, status, oauth]) => [code, Number(status), oauth])
    const there = Object.entries(domainErrors).map(([code, [status, oauth]]) => [
      code,
      status,
      oauth,
    ])
    expect(written).to.deep.equal(there)
  })

  it('has the meaning and the remedy of each error', () => {
    for (const [, code, , , meaning, remedy] of rows) {
      expect(meaning, code).to.match(/^.{15,}\.$/)
      expect(remedy, code).to.match(/^.{10,}\.$/)
    }
  })
})
