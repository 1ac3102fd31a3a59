import { expect } from 'chai'
import { parse } from 'yaml'
import { parseLarge } from '../../src/cli/block-yaml.ts'
import { parseYaml } from '../../src/cli/document.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import type { Fault } from '../../src/faults.ts'

function read(text: string): { content: unknown; faults: string[] } {
  const faults: Fault[] = []
  return { content: parseLarge(text, faults), faults: faults.map(({ message }) => message) }
}

const times = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('')

/** Larger than a piece, and quickly read. */
const clients = (margin: string, count = 300) =>
  times(
    count,
    (i) =>
      `${margin}- client_id: "c${i}"\n${margin}  # a comment\n${margin}  name: ${'x'.repeat(250)}\n`,
  )

describe('A large document', () => {
  const documents: Record<string, string> = {
    'lists further in':
      `# first\n---\nclients: # all\n${clients('  ')}\naccounts:\n${clients('    ')}x: 1\n`.slice(
        8,
      ),
    'lists below their names': `clients:\n${clients('')}accounts:\n${clients('')}`,
    'a list alone': clients(''),
    'after a marker': `---\n${clients('  ')}`,
    'within tenants': `tenants:\n  - id: a\n    name: A\n    clients:\n${clients('      ')}    accounts: []\n  - id: b\n    clients:\n${clients('    ')}`,
    'an element alone': `tenants:\n  -\n    clients:\n${clients('    ')}`,
    'texts of many lines': `a:\n${times(300, (i) => `  - |\n    ${'y'.repeat(200)}\n    - one: ${i}\n    two:\n\n  - "three\n\n    - four: # ${i}"\n  - >-\n      five:\n     \n      six\n`)}b: |\n${times(300, (i) => `  - seven: ${i}${'z'.repeat(250)}\n`)}c: [1,\n  2]\n`,
    'with line ends of Windows': `clients:\r\n${clients('  ')}b: 2\r\n`.replaceAll(
      /\r?\n/g,
      '\r\n',
    ),
    'one flow': `{ clients: [${times(300, (i) => `{ a: ${'x'.repeat(250)}${i} },\n`)}] }`,
    'names in quotes': `"clients":\n${clients('  ')}'b c':\n${clients('  ')}`,
    'an alias near by': `a:\n${times(300, () => `  - { x: &n 1, y: *n, z: "- a${'x'.repeat(250)}" }\n`)}`,
  }
  for (const [what, text] of Object.entries(documents)) {
    it(`is read piece by piece as at once: ${what}`, () => {
      expect(text).to.have.length.above(64 * 1024)
      expect(read(text)).to.deep.equal({ content: parse(text), faults: [] })
    })
  }

  it('has the line of every fault', () => {
    const broken = `clients:\n${clients('  ')}  - a: [\naccounts:\n${clients('  ')}  - b: !env X\n  - { c: 1, c: 2 }\n`
    const { faults } = read(broken)
    const [first, second, third, ...others] = faults
    expect(first).to.match(/at line 90[23], column \d+$/)
    expect(second).to.match(/unique at line 1805, column 13$/)
    expect(third).to.match(/Unresolved tag.* at line 1804, column 8$/)
    expect(others).to.deep.equal([])
  })

  it('has no member twice, and no alias of another piece', () => {
    const twice = read(`clients:\n${clients('  ')}b: 1\nclients:\n${clients('  ')}`)
    expect(twice.faults.join()).to.match(/clients is there again after line 902/)
    const { faults } = read(`a: &here 1\nclients:\n${clients('  ')}c: *here\n`)
    expect(faults.join()).to.match(/Unresolved alias.*here/)
  })

  it('has aliases of other pieces up to 8 MiB', () => {
    const text = `a: &here ${'x'.repeat(1024 * 1024)}\nclients:\n${clients('  ')}c: *here\n`
    expect(parseYaml(text, 'all', 'apply_invalid')).to.deep.equal(parse(text))
  })

  it('may have more than 8 MiB, and JSON as JSON', () => {
    const long = 'x'.repeat(8 * 1024 * 1024)
    const content = (text: string) => parseYaml(text, 'all', 'apply_invalid')
    expect(content(`a:\n${clients('  ')}b: ${long}\n`)).to.have.property('b', long)
    expect(content(`{"b": "${long}"}`)).to.deep.equal({ b: long })
    let said = ''
    try {
      content(`{"b": "${long}",}`)
    } catch (error) {
      said = describeFailure(error)
    }
    expect(said).to.match(/^The apply file is not valid \(file: all\): .*JSON/)
  })
})
