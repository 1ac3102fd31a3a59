import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/conformance.md'), 'utf8')
const rows = [...page.matchAll(/^\| ([PK]-\d+) \| (.+?) \| (.+) \|$/gm)]

/** Requirements without a test; their rows give the reason. */
const withoutTest = ['P-059', 'K-61', 'K-62', 'K-63']

describe('docs/conformance.md', () => {
  it('has every requirement once', () => {
    const ids = rows.map(([, id]) => id)
    expect(new Set(ids).size).to.equal(ids.length)
    expect(ids.filter((id) => id?.startsWith('P-'))).to.have.length(79)
    expect(ids.filter((id) => id?.startsWith('K-'))).to.have.length(30)
  })

  for (const [, id = '', , shown = ''] of rows) {
    it(`names existing tests that cite ${id}`, () => {
      const files = [...shown.matchAll(/\]\(\.\.\/(test\/[^)]+)\)/g)].map(([, file = '']) => file)
      for (const file of files) expect(existsSync(join(root, file)), file).to.equal(true)
      if (withoutTest.includes(id)) {
        expect(shown.length, 'a reason').to.be.above(40)
        return
      }
      expect(files).to.not.deep.equal([])
      for (const file of files) {
        expect(readFileSync(join(root, file), 'utf8'), file).to.match(new RegExp(`\\b${id}\\b`))
      }
    })
  }
})
