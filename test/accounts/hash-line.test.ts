import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { createHashLine } from '../../src/accounts/hash-line.ts'
import { refusalOf } from '../support/cores.ts'

describe('hash line (M3)', () => {
  it('counts a guess while another one is hashed, hashes no more at once, and takes in no more', async () => {
    const { line, places } = createHashLine({ concurrency: 1, length: 2 })
    const counted: string[] = []
    const hashing: Array<() => void> = []
    const guess = (name: string) =>
      line(async () => {
        counted.push(name)
        await places(() => new Promise<void>((resolve) => hashing.push(resolve)))
        return name
      })
    const all = ['a', 'b', 'c'].map(guess)
    await turn()
    expect(counted).to.deep.equal(['a', 'b'])
    expect(hashing).to.have.length(1)
    await refusalOf(guess('d'), 'hash_queue_full')

    for (let done = 1; done <= 3; done++) {
      hashing[done - 1]?.()
      await turn()
      expect(hashing, 'the next one begins at once').to.have.length(Math.min(done + 1, 3))
    }
    expect(await Promise.all(all)).to.deep.equal(['a', 'b', 'c'])
  })

  it('keeps a place for whoever is known, however many strangers have been let in', async () => {
    const { line, places } = createHashLine({ concurrency: 2, length: 8 })
    const hashed: string[] = []
    const guess = (name: string, share?: string) => {
      const mine = share === undefined ? {} : { share }
      const hash = () => {
        hashed.push(name)
        return new Promise<void>(() => undefined)
      }
      void line(() => places(hash, mine), mine)
    }
    for (const name of ['a', 'b', 'c', 'd']) guess(name, name)
    await turn()
    expect(hashed).to.deep.equal(['a'])
    guess('known')
    await turn()
    expect(hashed).to.deep.equal(['a', 'known'])
  })
})
