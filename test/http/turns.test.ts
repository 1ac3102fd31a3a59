import { expect } from 'chai'
import { createTurns } from '../../src/http/turns.ts'

describe('turns of work', () => {
  /** Milliseconds. */
  let now = 0
  let later: (() => void)[] = []
  let done: string[] = []
  beforeEach(() => {
    now = 0
    later = []
    done = []
  })

  const opened = () =>
    createTurns(
      () => now,
      (work) => later.push(work),
    )
  const job =
    (name: string, takes = 0) =>
    () => {
      done.push(name)
      now += takes
    }
  /** Runs all that was deferred until the sockets had been read. @returns what was done */
  function turn(): string[] {
    done = []
    for (const work of later.splice(0)) work()
    return done
  }

  it('do nothing before the sockets were read, and then everything in order', () => {
    const turns = opened()
    for (const name of ['a', 'b', 'c']) turns.add(job(name))
    expect(done).to.deep.equal([])
    expect(turn()).to.deep.equal(['a', 'b', 'c'])
    expect(later).to.deep.equal([])
    turns.add(job('d'))
    expect(turn()).to.deep.equal(['d'])
  })

  it('end after 3 ms of work, however much is left', () => {
    const turns = opened()
    for (const [name, takes] of [
      ['a', 2],
      ['b', 2],
      ['c', 50],
      ['d', 0],
    ] as const) {
      turns.add(job(name, takes))
    }
    expect([turn(), turn(), turn(), turn()]).to.deep.equal([['a', 'b'], ['c'], ['d'], []])
  })

  it('queue what a job adds behind what is there, and are scheduled once for all', () => {
    const turns = opened()
    turns.add(() => {
      job('a')()
      turns.add(job('c', 3))
      turns.add(job('d'))
    })
    turns.add(job('b'))
    expect(turn()).to.deep.equal(['a', 'b', 'c'])
    turns.add(job('e'))
    expect(later).to.have.length(1)
    expect(turn()).to.deep.equal(['d', 'e'])
  })

  it('lose nothing of a long queue', () => {
    const turns = opened()
    const names = Array.from({ length: 2500 }, (_, i) => String(i))
    for (const name of names) turns.add(job(name, 0.01))
    const all: string[] = []
    while (later.length > 0) all.push(...turn())
    expect(all).to.deep.equal(names)
  })
})
