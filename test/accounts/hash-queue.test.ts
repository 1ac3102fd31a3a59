import { expect } from 'chai'
import { createHashQueue } from '../../src/accounts/hash-queue.ts'
import { errorOf, refusalOf } from '../support/cores.ts'

describe('hash queue (M3)', () => {
  /** Work that goes on until it is told to stop, and knows how much of it runs. */
  function createWork() {
    const running: Array<() => void> = []
    let most = 0
    let now = 0
    const work = async () => {
      most = Math.max(most, ++now)
      await new Promise<void>((resolve) => running.push(resolve))
      now--
      return 'done'
    }
    return { work, finishOne: () => running.shift()?.(), most: () => most }
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  it('runs so many at once, makes so many wait, and refuses one more with 503', async () => {
    const queue = createHashQueue({ concurrency: 2, length: 3 })
    const { work, finishOne, most } = createWork()
    const accepted = Array.from({ length: 5 }, () => queue(work))
    const refusal = await refusalOf(queue(work), 'hash_queue_full')
    expect(refusal).to.include({ status: 503, oauth: 'temporarily_unavailable' })

    finishOne()
    await turn()
    const sixth = queue(work)
    await refusalOf(queue(work), 'hash_queue_full')
    for (let i = 0; i < 5; i++) {
      await turn()
      finishOne()
    }
    expect(await Promise.all([...accepted, sixth])).to.deep.equal(Array(6).fill('done'))
    expect(most()).to.equal(2)
  })

  it('serves in order and loses no place to work that fails', async () => {
    const queue = createHashQueue({ concurrency: 1, length: 10 })
    const order: number[] = []
    const outcomes = await Promise.allSettled(
      [0, 1, 2, 3].map((i) =>
        queue(async () => {
          order.push(i)
          if (i % 2 === 0) throw new Error('broken')
        }),
      ),
    )
    expect(order).to.deep.equal([0, 1, 2, 3])
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(await queue(async () => 'free again')).to.equal('free again')
  })

  it('may have no waiting room at all', async () => {
    const queue = createHashQueue({ concurrency: 1, length: 0 })
    const { work, finishOne } = createWork()
    const first = queue(work)
    await refusalOf(queue(work), 'hash_queue_full')
    finishOne()
    await first
    const error = await errorOf(queue(() => Promise.reject(new Error('own'))))
    expect(error.message).to.equal('own')
  })
})
