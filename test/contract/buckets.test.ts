import { expect } from 'chai'
import { Redis } from 'ioredis'
import { loadConfig } from '../../config/load.ts'
import { localBuckets } from '../../src/storage/buckets.local.ts'
import { bucketsInRedis } from '../../src/storage/buckets.redis.ts'
import type { Buckets } from '../../src/storage/buckets.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { freshStorage } from '../support/boot.ts'
import { silentLog } from '../support/cores.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel, travellingClock } from '../support/time-travel.ts'

interface Opened {
  buckets: Buckets
  url?: string
  close(): void
}

async function inRedis(): Promise<Opened> {
  const env = await freshStorage('services')
  const { redis } = loadConfig(env)
  if (!redis) throw new Error('no address of Redis')
  const connection = await openRedis(redis, silentLog)
  const buckets = bucketsInRedis(connection, travellingClock())
  return { buckets, url: env['REDIS_URL'] as string, close: () => connection.close() }
}

const implementations: Record<string, () => Promise<Opened>> = {
  'this process': async () => ({
    buckets: localBuckets(travellingClock()),
    close: () => undefined,
  }),
  ...(servicesFound() ? { Redis: inRedis } : {}),
}

for (const [name, open] of Object.entries(implementations)) {
  describe(`buckets in ${name}`, () => {
    let opened: Opened
    before(async () => {
      opened = await open()
    })
    after(() => opened?.close())
    afterEach(backToPresent)

    const key = (subject: string) => ({ tenant: 'default', name: 'test', subject })
    const ten = { most: 10, window: 100, cost: 1 }
    const takes = async (count: number, subject: string, bucket = ten) => {
      const waits = await Promise.all(
        Array.from({ length: count }, () => opened.buckets.take(key(subject), bucket)),
      )
      return { taken: waits.filter((wait) => wait === 0).length, longest: Math.max(...waits) }
    }

    it('hold a fixed number, also in parallel, and report the wait', async () => {
      travel(0)
      const { taken, longest } = await takes(40, 'parallel')
      expect(taken).to.equal(10)
      expect(longest).to.be.within(9000, 10_000)
    })

    it('refill steadily up to their capacity', async () => {
      travel(0)
      expect((await takes(20, 'filling')).taken).to.equal(10)
      travel(10)
      expect((await takes(5, 'filling')).taken).to.equal(1)
      travel(10_000)
      expect((await takes(20, 'filling')).taken).to.equal(10)
    })

    it('take several at once, or none', async () => {
      travel(0)
      const four = { ...ten, cost: 4 }
      expect((await takes(5, 'heavy', four)).taken).to.equal(2)
      expect((await takes(5, 'heavy')).taken).to.equal(2)
    })

    it('accept what is given back, up to their capacity', async () => {
      travel(0)
      expect((await takes(10, 'given back')).taken).to.equal(10)
      await opened.buckets.giveBack(key('given back'), ten)
      expect((await takes(3, 'given back')).taken).to.equal(1)
      for (let i = 0; i < 30; i++) await opened.buckets.giveBack(key('given back'), ten)
      expect((await takes(30, 'given back')).taken).to.equal(10)
    })

    it('are separate by tenant, name and subject', async () => {
      travel(0)
      const one = { most: 1, window: 100, cost: 1 }
      for (const other of [
        { tenant: 'default', name: 'a', subject: 'x' },
        { tenant: 'default', name: 'a', subject: 'y' },
        { tenant: 'default', name: 'b', subject: 'x' },
        { tenant: 'acme', name: 'a', subject: 'x' },
      ]) {
        expect(await opened.buckets.take(other, one)).to.equal(0)
        expect(await opened.buckets.take(other, one)).to.be.greaterThan(0)
      }
    })

    // The process keeps its buckets in memory only.
    if (name !== 'Redis') return

    it('leave no keys without an expiry (C25)', async () => {
      await opened.buckets.take(key('left'), ten)
      await opened.buckets.take(key('left'), ten)
      await opened.buckets.giveBack(key('left'), ten)
      const redis = new Redis(opened.url as string)
      try {
        const keys = await redis.keys('*')
        expect(keys).to.not.have.length(0)
        for (const one of keys) expect(await redis.pttl(one), one).to.be.greaterThan(0)
      } finally {
        redis.disconnect()
      }
    })
  })
}
