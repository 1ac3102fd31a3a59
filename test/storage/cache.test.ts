import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { createCache } from '../../src/storage/cache.ts'
import { errorOf, openedCore } from '../support/cores.ts'

describe('cache', () => {
  const core = openedCore('embedded')

  const open = (maxSize = 10, maxAge = 60) => createCache<number>(core, { maxAge, maxSize })

  it('loads once for concurrent requests, and again after its maximum age', async () => {
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      const cache = open(10, 1)
      let loads = 0
      const get = () => cache.get('a', async () => ++loads)
      expect(await Promise.all([get(), get(), get()])).to.deep.equal([1, 1, 1])
      clock.setSystemTime(Date.now() + 999)
      expect(await get()).to.equal(1)
      clock.setSystemTime(Date.now() + 1)
      expect(await get()).to.equal(2)
    } finally {
      clock.uninstall()
    }
  })

  it('keeps nothing of a failed load', async () => {
    const cache = open()
    const error = await errorOf(cache.get('a', () => Promise.reject(new Error('broken'))))
    expect(error.message).to.equal('broken')
    expect(await cache.get('a', async () => 2)).to.equal(2)
  })

  it('does not keep a value that was dropped while it was loading', async () => {
    const cache = open()
    const gate = Promise.withResolvers<number>()
    const stale = cache.get('a', () => gate.promise)
    cache.drop('a')
    const fresh = cache.get('a', async () => 2)
    gate.resolve(1)
    expect(await stale).to.equal(1)
    expect(await fresh).to.equal(2)
    expect(await cache.get('a', async () => 3)).to.equal(2)
  })

  it('shares nothing with an open transaction, in either direction', async () => {
    const cache = open()
    const gate = Promise.withResolvers<number>()
    const outside = cache.get('a', () => gate.promise)
    await core.database.transaction(async () => {
      expect(await cache.get('a', async () => 2), "the transaction's own view").to.equal(2)
    })
    gate.resolve(1)
    expect(await outside).to.equal(1)
    expect(await cache.get('a', async () => 3)).to.equal(1)
  })

  it('is bounded: the oldest entry is evicted', async () => {
    const cache = open(2)
    for (const key of ['a', 'b', 'c']) await cache.get(key, async () => 1)
    expect(await cache.get('c', async () => 2)).to.equal(1)
    expect(await cache.get('a', async () => 2)).to.equal(2)
  })

  it('bounds absent keys separately, so that they evict no value (C25)', async () => {
    const cache = createCache<number | undefined>(core, { maxAge: 60, maxSize: 5000 })
    const loaded: string[] = []
    const get = (key: string, value?: number) =>
      cache.get(key, async () => {
        loaded.push(key)
        return value
      })
    await get('known', 1)
    for (let i = 0; i < 6000; i++) await get(`invented ${i}`)
    loaded.length = 0
    expect(await get('known', 2)).to.equal(1)
    await get('invented 5999')
    expect(loaded, 'loads while both are cached').to.deep.equal([])
    await get('invented 4999')
    expect(loaded, 'loads, as a thousand absent keys are cached').to.deep.equal(['invented 4999'])
    expect(await get('invented 5998', 3), 'absent until it is dropped').to.equal(undefined)
    cache.drop('invented 5998')
    expect(await get('invented 5998', 3)).to.equal(3)
    expect(await get('invented 5998', 4)).to.equal(3)
  })
})
