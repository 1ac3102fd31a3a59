import { expect } from 'chai'
import { timeBack } from '../../src/families/served-time.ts'

/** Seconds, in milliseconds. */
const s = (seconds: number) => seconds * 1000

describe('the time in which somebody could be answered (ADR 0008)', () => {
  const now = s(1000)
  const back = (span: number, ...periods: [since: number, until: number][]) =>
    timeBack(
      now,
      periods.map(([since, until]) => ({ since: s(since), until: s(until) })),
    )(s(span)) / 1000

  it('is that of the clock where nobody was away, or nothing is known', () => {
    expect(back(30)).to.equal(970)
    expect(back(30, [0, 1000])).to.equal(970)
    expect(back(30, [995, 1000]), 'before the first period').to.equal(970)
    expect(back(30, [900, 984], [985, 1000]), 'a start takes a moment').to.equal(970)
  })

  it('leaves out each outage', () => {
    expect(back(30, [900, 980], [990, 1000])).to.equal(960)
    expect(back(30, [0, 40], [200, 210], [600, 610], [995, 1000])).to.equal(35)
    expect(back(5, [0, 40], [995, 1000])).to.equal(995)
    expect(back(30, [0, 980]), 'that goes on').to.equal(950)
  })

  it('goes on while any process is there', () => {
    expect(back(30, [0, 970], [960, 985], [984, 1000])).to.equal(970)
    expect(back(30, [0, 1000], [400, 410], [900, 901])).to.equal(970)
    expect(back(100, [0, 950], [970, 975], [972, 1000]), 'and no longer').to.equal(880)
  })
})
