import { expect } from 'chai'
import { createHashQueue } from '../../src/accounts/hash-queue.ts'
import { errorOf, refusalOf } from '../support/cores.ts'

describe('hash queue (M3)', () => {
  /** Jobs that run until `finishOne()`; `most()` is the largest number that ran at once. */
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

  it('runs up to `concurrency` at once, queues up to `length`, and refuses the next with 503', async () => {
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

  it('serves in order and frees the place of a job that fails', async () => {
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

  /** Queues all arrivals behind one running job. @returns those served, in order, and those refused */
  async function served(
    length: number,
    arrivals: Array<[name: string, share?: string]>,
  ): Promise<{ order: string[]; refused: string[] }> {
    const queue = createHashQueue({ concurrency: 1, length })
    const { work, finishOne } = createWork()
    const first = queue(work)
    const order: string[] = []
    const refused: string[] = []
    const all = arrivals.map(([name, share]) =>
      queue(async () => void order.push(name), { share }).catch(() => void refused.push(name)),
    )
    await turn()
    finishOne()
    await Promise.all([first, ...all])
    return { order, refused }
  }

  it('alternates between shares, and serves jobs without a share before them', async () => {
    const { order } = await served(10, [
      ['a1', 'a'],
      ['a2', 'a'],
      ['a3', 'a'],
      ['b1', 'b'],
      ['b2', 'b'],
      ['known'],
    ])
    expect(order).to.deep.equal(['known', 'a1', 'b1', 'a2', 'b2', 'a3'])
  })

  it('makes room for a smaller share by refusing the last job of the largest', async () => {
    const { order, refused } = await served(3, [
      ['a1', 'a'],
      ['a2', 'a'],
      ['a3', 'a'],
      ['b1', 'b'],
      ['a4', 'a'],
      ['b2', 'b'],
      ['c1', 'c'],
    ])
    expect(refused).to.deep.equal(['a3', 'a4', 'b2', 'a2'])
    expect(order).to.deep.equal(['a1', 'b1', 'c1'])
  })

  it('serves familiar shares before unfamiliar ones, which make room for them', async () => {
    const queue = createHashQueue({ concurrency: 1, length: 2 })
    const { work, finishOne } = createWork()
    const running = queue(work)
    const order: string[] = []
    const join = (name: string, familiar: boolean) =>
      queue(async () => void order.push(name), { share: name, familiar }).catch(
        () => void order.push(`no ${name}`),
      )
    const all = [join('a', false), join('b', false), join('home', true), join('office', true)]
    all.push(join('c', false), join('third', true))
    await turn()
    finishOne()
    await Promise.all([running, ...all])
    expect(order.toSorted()).to.deep.equal(['home', 'no a', 'no b', 'no c', 'no third', 'office'])
    expect(order.slice(-2)).to.deep.equal(['home', 'office'])
  })

  it('keeps one of several places free of jobs with a share', async () => {
    const queue = createHashQueue({ concurrency: 3, length: 9 })
    const { work, finishOne, most } = createWork()
    const all = Array.from({ length: 5 }, (_, i) => queue(work, { share: `${i}` }))
    await turn()
    expect(most()).to.equal(2)
    all.push(queue(work))
    await turn()
    expect(most()).to.equal(3)
    for (let i = 0; i < 6; i++) {
      finishOne()
      await turn()
    }
    await Promise.all(all)
  })

  it('makes room for jobs without a share while any job with a share waits', async () => {
    const { order, refused } = await served(2, [['a1', 'a'], ['b1', 'b'], ['k1'], ['k2'], ['k3']])
    expect(order).to.deep.equal(['k1', 'k2'])
    expect(refused).to.have.members(['a1', 'b1', 'k3'])
  })

  it('reports in advance whether there is room', async () => {
    const queue = createHashQueue({ concurrency: 1, length: 2 })
    const { work, finishOne } = createWork()
    const all = [queue(work)]
    expect(queue.hasRoom({ share: 'a' })).to.equal(true)
    all.push(
      queue(async () => '', { share: 'a' }),
      queue(async () => '', { share: 'a' }),
    )
    const turnedAway = refusalOf(all[2] as Promise<unknown>)
    expect(queue.hasRoom({ share: 'a' })).to.equal(false)
    expect(queue.hasRoom({ share: 'b' })).to.equal(true)
    all.push(queue(async () => '', { share: 'b' }))
    await turnedAway
    expect(queue.hasRoom({ share: 'c' })).to.equal(false)
    expect(queue.hasRoom({})).to.equal(true)
    finishOne()
    await Promise.allSettled(all)
  })

  it('reports each refusal', async () => {
    let refusals = 0
    const queue = createHashQueue({ concurrency: 1, length: 1, onRefusal: () => refusals++ })
    const { work, finishOne } = createWork()
    const running = queue(work)
    const turnedAway = refusalOf(
      queue(async () => 'never', { share: 'a' }),
      'hash_queue_full',
    )
    const known = queue(async () => 'known')
    await turnedAway
    await refusalOf(queue(work), 'hash_queue_full')
    finishOne()
    await running
    expect(await known).to.equal('known')
    expect(refusals).to.equal(2)
  })

  it('can have a length of 0', async () => {
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
