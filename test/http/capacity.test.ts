import { expect } from 'chai'
import { type Capacity, createCapacity } from '../../src/http/capacity.ts'

describe('the capacity for requests', () => {
  /** Milliseconds. */
  let now = 0
  const opened = (most: number) => createCapacity(most, () => now)

  /** All are taken all the time, and of each that is taken some are refused. */
  interface Flood {
    /** Milliseconds for each of so many. */
    took(taken: number): number
    /** For each that is taken. */
    refused: number
    seconds: number
  }

  /** @returns how many were taken at once at the end, and answered in all */
  function flood(capacity: Capacity, { took, refused, seconds }: Flood) {
    let taken = 0
    let answered = 0
    for (const until = now + seconds * 1000; now < until; ) {
      const leaves = [...fill(capacity, false), ...fill(capacity, true)]
      taken = leaves.length
      answered += taken
      for (let i = 0; i < taken * refused; i++) capacity.isFull(false)
      now += took(taken)
      for (const leave of leaves) leave()
    }
    return { taken, answered }
  }

  /** One after another. */
  const queue = (each: number) => (taken: number) => taken * each
  const worst = { took: queue(1), refused: 4, seconds: 10 }

  /** Takes all that one kind may have. @returns what gives each back */
  function fill(capacity: Capacity, begins: boolean): (() => void)[] {
    const leaves: (() => void)[] = []
    while (!capacity.isFull(begins)) leaves.push(capacity.take(begins))
    return leaves
  }

  it('is what it may be while answers are quick', () => {
    expect(flood(opened(256), { took: () => 20, refused: 4, seconds: 5 }).taken).to.equal(256)
  })

  it('is as many as are answered in half a second, where fewer are refused than answered', () => {
    const { taken } = flood(opened(256), { took: queue(4), refused: 0.5, seconds: 10 })
    expect(taken).to.be.within(115, 130)
  })

  it('is few where most are refused, and what it may be when answers are quick again', () => {
    const capacity = opened(256)
    expect(flood(capacity, worst).taken).to.be.within(20, 30)
    expect(flood(opened(256), { ...worst, took: queue(10) }).taken).to.equal(16)
    expect(flood(capacity, { took: () => 5, refused: 4, seconds: 5 }).taken).to.equal(256)
  })

  it('does not take slow stores, which are slow for each alone, for a queue', () => {
    const seconds = 60
    const { answered } = flood(opened(256), { took: () => 600, refused: 4, seconds })
    expect(answered).to.be.above((256 * seconds * 0.85) / 0.6)
  })

  it('is what it may be again when nobody asked for it for a while', () => {
    const capacity = opened(256)
    flood(capacity, worst)
    for (let i = 0; i < 10; i++) {
      now += 1000
      capacity.take(false)()
    }
    expect(fill(capacity, false)).to.have.length(224)
  })

  it('is not judged by what was only held', () => {
    const capacity = opened(256)
    const took = (taken: number) => {
      for (let i = 0; i < 1000; i++) capacity.take(false)({ isAnswered: false })
      return taken
    }
    expect(flood(capacity, { ...worst, took }).taken).to.be.within(20, 30)
  })

  it('is never less than is allowed, when that is little', () => {
    expect(flood(opened(3), { ...worst, took: queue(1000) }).taken).to.equal(3)
  })

  it('is left to what goes on with what was begun, but for an eighth', () => {
    const capacity = opened(64)
    const leave = capacity.take(true)
    expect(fill(capacity, false), 'of those that go on').to.have.length(56)
    expect(fill(capacity, true), 'of those that begin').to.have.length(7)
    leave()
    leave()
    expect(fill(capacity, false), 'the eighth stays free').to.have.length(0)
    expect(fill(capacity, true)).to.have.length(1)
  })

  it('gives three quarters to what only begins, when nothing else is there', () => {
    const capacity = opened(64)
    expect(fill(capacity, true)).to.have.length(48)
    expect(capacity.isFull(false)).to.equal(false)
  })
})
