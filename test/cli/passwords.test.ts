import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadPasswordLists } from '../../src/accounts/password-list.ts'
import { runHere } from '../support/command-here.ts'

describe('passwords compile', () => {
  let folder: string
  const at = (name: string) => join(folder, name)
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyturn-passwords-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('creates a list that the server uses in addition to its own', async () => {
    await writeFile(at('leaked.txt'), 'only listed by us 1\r\nonly listed by us 2\nshort\n')
    const args = ['passwords', 'compile', '--json', at('leaked.txt'), at('leaked.bin')]
    const { code, stdout } = await runHere(args, {})
    expect(code).to.equal(0)
    expect(JSON.parse(stdout)).to.include({ entries: 2 })
    const lists = await loadPasswordLists(at('leaked.bin'))
    const listed = (password: string) => lists.map((list) => list.has(password))
    expect(listed('Only listed by us 2')).to.deep.equal([false, true])
    expect(listed('only listed by us 3')).to.deep.equal([false, false])
  })

  it('reports what is wrong with a file, and leaves no partial output', async () => {
    await writeFile(at('nothing.txt'), 'short\n')
    for (const [source, expected] of [
      ['nothing.txt', 'expected a password or its SHA-1 on each line'],
      ['none.txt', `expected a readable list, got ${at('none.txt')} (ENOENT)`],
      ['.', `expected a readable list, got ${folder} (EISDIR)`],
    ] as const) {
      const { code, stderr } = await runHere(
        ['passwords', 'compile', at(source), at('bad.bin')],
        {},
      )
      expect(code, source).to.equal(1)
      expect(stderr).to.include(expected)
    }
    const { code, stderr } = await runHere(
      ['passwords', 'compile', at('leaked.txt'), at('no/such/folder.bin')],
      {},
    )
    expect(code).to.equal(1)
    expect(stderr).to.include(
      `expected a writable file in an existing folder, got ${at('no/such/folder.bin')} (ENOENT)`,
    )
    expect((await readdir(folder)).filter((name) => name.startsWith('bad'))).to.deep.equal([])
  })
})
