import { expect } from 'chai'
import { type Capacity, createCapacity } from '../../src/http/capacity.ts'

describe('the capacity for requests', () => {
  /** Milliseconds. */
  let now = 0
  const opened = (most: number) => createCapacity(most, () => now)

  /** Load that always takes all capacity, with refusals for each request taken. */
  interface Flood {
    /** Milliseconds for all that were taken at once. */
    took(taken: number): number
    /** Refusals for each request taken. */
    refused: number
    seconds: number
  }

  /** @returns how many were taken at once in the end, and how many were answered in all */
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

  /** One after the other. */
  const queue = (each: number) => (taken: number) => taken * each
  const worst = { took: queue(1), refused: 4, seconds: 10 }

  /** Takes all that one kind may have. @returns functions that release one each */
  function fill(capacity: Capacity, begins: boolean): (() => void)[] {
    const leaves: (() => void)[] = []
    while (!capacity.isFull(begins)) leaves.push(capacity.take(begins))
    return leaves
  }

  it('is the maximum while answers are quick', () => {
    expect(flood(opened(256), { took: () => 20, refused: 4, seconds: 5 }).taken).to.equal(256)
  })

  it('is what is answered in half a second, when fewer are refused than answered', () => {
    const { taken } = flood(opened(256), { took: queue(4), refused: 0.5, seconds: 10 })
    expect(taken).to.be.within(115, 130)
  })

  it('is small when most are refused, and the maximum once answers are quick again', () => {
    const capacity = opened(256)
    expect(flood(capacity, worst).taken).to.be.within(20, 30)
    expect(flood(opened(256), { ...worst, took: queue(10) }).taken).to.equal(16)
    expect(flood(capacity, { took: () => 5, refused: 4, seconds: 5 }).taken).to.equal(256)
  })

  it('is not reduced by slow stores, whose delay does not depend on concurrency', () => {
    const seconds = 60
    const { answered } = flood(opened(256), { took: () => 600, refused: 4, seconds })
    expect(answered).to.be.above((256 * seconds * 0.85) / 0.6)
  })

  it('is reduced although every third measurement shows a quarter of the throughput', () => {
    // As during a garbage collection.
    const took = (taken: number) => taken * (Math.floor(now / 250) % 3 === 0 ? 4 : 1)
    for (const start of [0, 250, 500]) {
      now = Math.ceil(now / 750) * 750 + start
      expect(flood(opened(256), { ...worst, took }).taken, `${start}`).to.be.below(60)
    }
  })

  it('returns to the maximum after a while without load', () => {
    const capacity = opened(256)
    flood(capacity, worst)
    for (let i = 0; i < 10; i++) {
      now += 1000
      capacity.take(false)()
    }
    expect(fill(capacity, false)).to.have.length(224)
  })

  it('is not affected by requests that were held without an answer', () => {
    const capacity = opened(256)
    const took = (taken: number) => {
      for (let i = 0; i < 1000; i++) capacity.take(false)({ isAnswered: false })
      return taken
    }
    expect(flood(capacity, { ...worst, took }).taken).to.be.within(20, 30)
  })

  it('is never below the maximum, when that is small', () => {
    expect(flood(opened(3), { ...worst, took: queue(1000) }).taken).to.equal(3)
  })

  it('reserves all but an eighth for requests that continue something', () => {
    const capacity = opened(64)
    const leave = capacity.take(true)
    expect(fill(capacity, false), 'continuing requests').to.have.length(56)
    expect(fill(capacity, true), 'beginning requests').to.have.length(7)
    leave()
    leave()
    expect(fill(capacity, false), 'continuing requests, as the eighth stays free').to.have.length(0)
    expect(fill(capacity, true)).to.have.length(1)
  })

  it('gives three quarters to requests that begin something, when there are no others', () => {
    const capacity = opened(64)
    expect(fill(capacity, true)).to.have.length(48)
    expect(capacity.isFull(false)).to.equal(false)
  })
})
