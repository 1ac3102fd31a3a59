import { expect } from 'chai'
import { type Capacity, createCapacity } from '../../src/http/capacity.ts'

describe('the capacity for requests', () => {
  /** Milliseconds. */
  let now = 0
  const opened = (most: number) => createCapacity(most, () => now)

  /** Takes all that there are, each for so long, for some seconds. @returns how many were taken at once at the end */
  function flood(capacity: Capacity, took: number, seconds: number): number {
    let taken = 0
    for (const until = now + seconds * 1000; now < until; now += took) {
      const leaves = [...fill(capacity, false), ...fill(capacity, true)]
      taken = leaves.length
      now += took
      for (const leave of leaves) leave()
      now -= took
    }
    return taken
  }

  /** Takes all that one kind may have. @returns what gives each back */
  function fill(capacity: Capacity, begins: boolean): (() => void)[] {
    const leaves: (() => void)[] = []
    while (!capacity.isFull(begins)) leaves.push(capacity.take(begins))
    return leaves
  }

  it('is what it may be while answers are quick', () => {
    expect(flood(opened(256), 50, 5)).to.equal(256)
  })

  it('is less while answers are slow, and what it may be when they are quick again', () => {
    const capacity = opened(256)
    expect(flood(capacity, 1000, 10)).to.equal(64)
    expect(flood(capacity, 100, 5)).to.equal(256)
  })

  it('is what it may be again when nobody asked for it for a while', () => {
    const capacity = opened(256)
    flood(capacity, 1000, 10)
    for (let i = 0; i < 10; i++) {
      now += 1000
      capacity.take(false)()
    }
    expect(flood(capacity, 1, 0.001)).to.equal(256)
  })

  it('is not judged by what was only held', () => {
    const capacity = opened(256)
    for (const until = now + 10_000; now < until; ) {
      for (let i = 0; i < 1000; i++) capacity.take(false)({ isAnswered: false })
      const leaves = fill(capacity, false)
      now += 1000
      for (const leave of leaves) leave()
    }
    expect(fill(capacity, false).length).to.be.at.most(64)
  })

  it('is never less than is allowed, when that is little', () => {
    expect(flood(opened(3), 2000, 20)).to.equal(3)
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
