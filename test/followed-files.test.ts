import { symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { expect } from 'chai'
import { followFiles } from '../src/followed-files.ts'
import { createLog } from '../src/log.ts'
import { temporaryFolder } from './support/child.ts'

describe('files that are followed', () => {
  let folder: string
  let lines: string[]
  const log = createLog({
    level: 'info',
    destination: new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    }),
  })
  const path = (name: string) => join(folder, name)
  const pair = (one = '', other = '') => {
    if (one !== other) throw new Error('the two files do not match')
    return one
  }
  beforeEach(async () => {
    folder = await temporaryFolder('followed')
    lines = []
    await writeFile(path('1'), 'old')
    await symlink(path('1'), path('a'))
    await writeFile(path('b'), 'old')
  })

  it('are taken up together, when they fit; each fault is said once', async () => {
    const followed = await followFiles([path('a'), path('b')], pair, log)
    const seen: string[] = []
    followed.onChange((value) => seen.push(value))
    await followed.check()
    expect(lines).to.deep.equal([])

    await writeFile(path('2'), 'new')
    await unlink(path('a'))
    await followed.check()
    await followed.check()
    await symlink(path('2'), path('a'))
    await followed.check()
    await followed.check()
    expect(followed.current).to.equal('old')
    expect(lines.filter((line) => line.includes('are not valid'))).to.have.length(2)
    expect(lines.join('')).to.include('ENOENT').and.include('the two files do not match')

    await writeFile(path('b'), 'new')
    await followed.check()
    await followed.check()
    expect(followed.current).to.equal('new')
    expect(seen).to.deep.equal(['new'])
  })

  it('that go back to what they were after a fault are in use again', async () => {
    const followed = await followFiles([path('a'), path('b')], pair, log)
    await writeFile(path('b'), 'broken')
    await followed.check()
    await writeFile(path('b'), 'old')
    await followed.check()
    expect(followed.current).to.equal('old')
    expect(lines).to.have.length(2)
  })

  it('must be sound at the start', async () => {
    await writeFile(path('b'), 'other')
    const failure = await followFiles([path('a'), path('b')], pair, log).catch((e: Error) => e)
    expect(failure).to.be.an('error').with.property('message', 'the two files do not match')
  })
})
