import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { blocksOf, guide } from '../libraries/guide.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const conformance = read('docs/conformance.md')
const { devDependencies } = JSON.parse(read('package.json')) as {
  devDependencies: Record<string, string>
}
/** Name and version → files, from the table of libraries. */
const table = [
  ...(conformance.split('\n## Client libraries\n')[1]?.split('\n## ')[0] ?? '').matchAll(
    /^\| (\S+) ([\d.]+) \| .+ \| (.+) \|$/gm,
  ),
].map(([, name = '', version = '', shown = '']) => ({
  name,
  version,
  files: [...shown.matchAll(/\]\(\.\.\/(test\/[^)]+)\)/g)].map(([, file = '']) => file),
}))

/** Trimmed lines, so that a block may be indented. */
const lines = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')

describe('documentation of client libraries', () => {
  it('names the versions that the tests use, and the tests that use them', () => {
    expect(table.length).to.be.above(5)
    for (const { name, version, files } of table) {
      expect(devDependencies, name).to.include({ [name]: version })
      expect(files, name).not.to.deep.equal([])
      for (const file of files) expect(read(file), `${file} uses ${name}`).to.include(name)
    }
  })

  for (const [library, section] of guide) {
    it(`has the settings of ${library} that its test uses`, () => {
      const [, file = ''] = /\]\(\.\.\/(test\/libraries\/[^)]+)\)/.exec(section) ?? []
      expect(file, 'a link to the test').not.to.equal('')
      const test = lines(read(file))
      const blocks = ['ts', 'js', 'html'].flatMap((language) => blocksOf(section, language))
      expect(blocks).not.to.deep.equal([])
      for (const block of blocks) expect(test).to.include(lines(block).trim())
      const declares = /declareAsDocumented\(\s*server,\s*('[^']+'|library)/.test(test)
      expect(declares, 'declares what is documented').to.equal(blocksOf(section, 'yaml').length > 0)
    })
  }
})
