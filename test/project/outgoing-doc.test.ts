import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { fetchFaults } from '../../src/outgoing/fault.ts'

describe('docs/outgoing.md', () => {
  it('has every reason for a failure, and no others', () => {
    const page = readFileSync(new URL('../../docs/outgoing.md', import.meta.url), 'utf8')
    const written = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code)
    expect(written).to.deep.equal(fetchFaults)
  })
})
