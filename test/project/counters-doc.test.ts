import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { countMeanings } from '../../src/counters.ts'

describe('docs/security.md', () => {
  it('has every counter with its meaning', () => {
    const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8')
    for (const [name, meaning] of Object.entries(countMeanings)) {
      expect(page).to.include(`\n| \`${name}\` | ${meaning} |\n`)
    }
  })
})
