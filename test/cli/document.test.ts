import { expect } from 'chai'
import { parseYaml } from '../../src/cli/document.ts'
import { describeFailure } from '../../src/cli/failure.ts'

const contentOf = (text: string) => parseYaml(text, 'all', 'apply_invalid')

/** The faults that an operator sees. */
function faultIn(text: string): string {
  try {
    contentOf(text)
  } catch (error) {
    return describeFailure(error)
  }
  return ''
}

/** Trailing spaces that make a document too large for the YAML parser. */
const large = ' '.repeat(8 * 1024 * 1024 + 1)

describe('a document of an operator', () => {
  it('may begin with a byte order mark, and may be JSON of more than 8 MiB', () => {
    const mark = '\uFEFF'
    expect(contentOf(`${mark}a: 1`)).to.deep.equal({ a: 1 })
    const json = '{"a": [{"b": 1}, {"b": "\\"b\\": {\\\\"}], "b": {}}'
    for (const text of [json, `${mark}${json}`, `${mark}\n ${json}${large}`]) {
      expect(contentOf(text)).to.deep.equal({ a: [{ b: 1 }, { b: '"b": {\\' }], b: {} })
    }
  })

  it('must be JSON above 8 MiB, and the refusal gives advice', () => {
    for (const text of ['a: 1', '', '# a', '"a"']) {
      expect(faultIn(text + large)).to.equal(
        'The apply file is not valid (file: all): more than 8 MiB: expected JSON (export --json writes it), or several files, each applied without --prune',
      )
    }
  })

  it('may not repeat a member of an object, at any depth or in any spelling', () => {
    for (const [text, place] of [
      ['{"a": [],\n "a": []}', '"a" at line 2, column 2'],
      ['[{"b": {"c": [{"a": 1, "d": {"a": 2},\n\n"a": 3}]}}]', '"a" at line 3, column 1'],
      ['{"\\u0061": "a", "a" : 1}', '"a" at line 1, column 17'],
    ] as const) {
      expect(faultIn(text)).to.include('Map keys must be unique')
      expect(faultIn(text + large)).to.include(`Map keys must be unique: ${place}`)
    }
  })

  it('is not quoted if it is invalid JSON', () => {
    for (const [text, said] of [
      ['{"password": hunter2}', 'expected valid JSON'],
      ['{"password": "hunter2",}', 'expected valid JSON at line 1, column 24'],
      ['{"password": "hunter2\n"}', 'expected valid JSON at line 1, column 22'],
      ['{ at position 1 (line 2 column 3)hunter2', 'expected valid JSON at line 1, column 3'],
    ] as const) {
      expect(faultIn(text + large)).to.equal(`The apply file is not valid (file: all): ${said}`)
    }
  })
})
