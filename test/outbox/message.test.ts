import { expect } from 'chai'
import { pauseAfter } from '../../src/outbox/message.ts'
import { createPauses } from '../../src/outbox/pauses.ts'

describe('the delay before the next attempt (R-21)', () => {
  it('doubles up to ten minutes', () => {
    const longest = [1, 2, 3, 4, 10, 11, 12, 1000].map((attempts) => pauseAfter(attempts, 0))
    expect(longest).to.deep.equal([1000, 2000, 4000, 8000, 512_000, 600_000, 600_000, 600_000])
  })

  it('is shortened at random, by half at most', () => {
    expect(pauseAfter(3, 1)).to.equal(2000)
    for (let i = 0; i < 100; i++) expect(pauseAfter(1)).to.be.within(500, 1000)
    expect(new Set(Array.from({ length: 20 }, () => pauseAfter(9))).size).to.be.above(10)
  })
})

describe('destinations that do not respond', () => {
  let now = 0
  const pauses = createPauses(() => now)

  it('are paused for increasing times, up to ten seconds', () => {
    const lengths: number[] = []
    for (let i = 0; i < 7; i++) {
      pauses.unanswered('a')
      const startedAt = now
      while (pauses.current().includes('a')) now += 100
      lengths.push(now - startedAt)
    }
    expect(lengths).to.deep.equal([500, 1000, 2000, 4000, 8000, 10_000, 10_000])
  })

  it('count concurrent failures once, and only for themselves', () => {
    pauses.answered('a')
    for (let i = 0; i < 5; i++) pauses.unanswered('a')
    expect(pauses.current()).to.deep.equal(['a'])
    now += 500
    expect(pauses.current()).to.deep.equal([])
  })

  it('start over after a response, or after a minute', () => {
    pauses.unanswered('a')
    pauses.answered('a')
    pauses.unanswered('a')
    now += 500
    expect(pauses.current()).to.deep.equal([])
    pauses.unanswered('a')
    now += 61_001
    expect(pauses.current()).to.deep.equal([])
    pauses.unanswered('a')
    now += 500
    expect(pauses.current()).to.deep.equal([])
  })
})
