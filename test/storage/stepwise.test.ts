import { expect } from 'chai'
import { pageStepwise } from '../../src/storage/stepwise.ts'

/** Searches the alphabet three keys per step for those that fit. */
function search(
  fits: (key: string) => boolean,
  page: { after?: string; limit: number; patience?: number },
) {
  const keys = [...'abcdefghijklmnopqrstuvwxyz']
  const behind = (after = '') => keys.filter((key) => key > after)
  const looked: string[] = []
  const asked: number[] = []
  const found = pageStepwise(
    page,
    async (after, rows) => {
      asked.push(rows)
      return behind(after)[2]
    },
    async (after, upTo, limit) => {
      const some = behind(after).filter((key) => upTo === undefined || key <= upTo)
      looked.push(some.join(''))
      return some.filter(fits).slice(0, limit)
    },
  )
  return found.then(({ rows, ...stopped }) => {
    expect(asked).to.deep.equal(asked.map((_, i) => (i === 0 ? 1000 : 25_000)))
    return { found: rows.join(''), looked: looked.join(' '), ...stopped }
  })
}

describe('a page that is searched step by step', () => {
  it('has all matches, however far apart, and ends when it is full', async () => {
    expect(await search((key) => 'agz'.includes(key), { limit: 5 })).to.deep.equal({
      found: 'agz',
      looked: 'abc def ghi jkl mno pqr stu vwx yz',
    })
    expect(await search((key) => 'agz'.includes(key), { limit: 2 })).to.deep.equal({
      found: 'ag',
      looked: 'abc def ghi',
    })
  })

  it('begins after the previous page, and ends with the last key', async () => {
    expect(await search(() => true, { after: 'w', limit: 9 })).to.deep.equal({
      found: 'xyz',
      looked: 'xyz ',
    })
    expect(await search(() => false, { after: 'y', limit: 9 })).to.deep.equal({
      found: '',
      looked: 'z',
    })
  })

  it('returns what it has found and where to continue when it takes too long', async () => {
    expect(await search((key) => 'ag'.includes(key), { limit: 2, patience: 0 })).to.deep.equal({
      found: 'a',
      looked: 'abc',
      stoppedAt: 'c',
    })
    expect(await search(() => true, { limit: 3, patience: 0 })).to.deep.equal({
      found: 'abc',
      looked: 'abc',
    })
  })
})
