import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import type { Core } from '../../src/core.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { shortLivedInPostgres } from '../../src/storage/short-lived.postgres.ts'
import { shortLivedInRedis } from '../../src/storage/short-lived.redis.ts'
import type { ShortLived } from '../../src/storage/short-lived.ts'
import { freshStorage, type StorageKind } from '../support/boot.ts'
import { openNode, silentLog } from '../support/cores.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { travellingClock } from '../support/time-travel.ts'

interface Opened {
  store: ShortLived
  close(): Promise<void>
}

const inPostgres = (kind: StorageKind) => async (): Promise<Opened> => {
  const core: Core = await openNode(await freshStorage(kind))
  return {
    store: shortLivedInPostgres(core.database, core.clock),
    close: () => core.close(),
  }
}

async function inRedis(): Promise<Opened> {
  const { redis } = loadConfig(await freshStorage('services'))
  if (!redis) throw new Error('no address of Redis')
  const store = shortLivedInRedis(await openRedis(redis, silentLog), travellingClock())
  return { store, close: () => store.close() }
}

const implementations: Record<string, () => Promise<Opened>> = {
  'embedded Postgres': inPostgres('embedded'),
  ...(servicesFound() ? { Postgres: inPostgres('services'), Redis: inRedis } : {}),
}

for (const [name, open] of Object.entries(implementations)) {
  describe(`short-lived artifacts in ${name}`, () => {
    let store: ShortLived
    let close: () => Promise<void>
    const key = { tenant: 'default', model: 'Interaction', id: 'one' }

    before(async () => {
      ;({ store, close } = await open())
    })
    after(() => close?.())

    it('return what was put, in every shape', async () => {
      for (const value of [{ deep: [1, null, 'ü', { '"': "'" }] }, 'text', 42, false, [], null]) {
        await store.put(key, value, 60)
        expect(await store.get(key)).to.deep.equal(value)
      }
    })

    it('are replaced by a second put, with its lifetime', async () => {
      const replaced = { ...key, id: 'replaced' }
      const clock = install({ now: Date.now(), toFake: ['Date'] })
      try {
        await store.put(replaced, 'first', 10)
        await store.put(replaced, 'second', 100)
        clock.setSystemTime(Date.now() + 50_000)
        expect(await store.get(replaced)).to.equal('second')
      } finally {
        clock.uninstall()
      }
    })

    it('are absent when never put, and when deleted', async () => {
      const absent = { ...key, id: 'absent' }
      expect(await store.get(absent)).to.equal(undefined)
      await store.delete(absent)
      await store.put(absent, 1, 60)
      await store.delete(absent)
      expect(await store.get(absent)).to.equal(undefined)
    })

    it('are taken by one of several parallel callers, and are gone then', async () => {
      const taken = { ...key, id: 'taken' }
      await store.put(taken, 'once', 60)
      const got = await Promise.all(Array.from({ length: 5 }, () => store.take(taken)))
      expect(got.filter((value) => value !== undefined)).to.deep.equal(['once'])
      expect(await store.get(taken)).to.equal(undefined)
    })

    it('are replaced only while they exist', async () => {
      const there = { ...key, id: 'there' }
      await store.put(there, 'first', 60)
      expect(await store.replace(there, 'second', 60)).to.equal(true)
      expect(await store.take(there)).to.equal('second')
      expect(await store.replace(there, 'third', 60)).to.equal(false)
      expect(await store.get(there)).to.equal(undefined)
    })

    it("expire by the server's clock, to the millisecond", async () => {
      const ending = { ...key, id: 'ending' }
      const clock = install({ now: Date.now(), toFake: ['Date'] })
      try {
        await store.put(ending, 'here', 30)
        clock.setSystemTime(Date.now() + 29_999)
        expect(await store.get(ending)).to.equal('here')
        clock.setSystemTime(Date.now() + 1)
        expect(await store.get(ending)).to.equal(undefined)
      } finally {
        clock.uninstall()
      }
    })

    it('of one kind, tenant or id are separate from those of another (C3)', async () => {
      await store.put({ tenant: 'a', model: 'b', id: 'c' }, 'mine', 60)
      const others = [
        { tenant: 'x', model: 'b', id: 'c' },
        { tenant: 'a', model: 'x', id: 'c' },
        { tenant: 'a', model: 'b', id: 'x' },
        { tenant: 'a', model: 'b:c', id: '' },
        { tenant: 'a:b', model: 'c', id: '' },
      ]
      for (const other of others) {
        expect(await store.get(other), JSON.stringify(other)).to.equal(undefined)
        await store.delete(other)
      }
      expect(await store.get({ tenant: 'a', model: 'b', id: 'c' })).to.equal('mine')
    })

    it('are swept after they expired, and no others', async () => {
      const clock = install({ now: Date.now(), toFake: ['Date'] })
      try {
        const swept = { ...key, id: 'swept' }
        const stays = { ...key, id: 'stays' }
        await store.put(swept, 1, 10)
        await store.put(stays, 2, 1000)
        clock.setSystemTime(Date.now() + 100_000)
        await store.sweep()
        expect(await store.sweep(), 'nothing is left to sweep').to.equal(0)
        expect(await store.get(stays)).to.equal(2)
        clock.setSystemTime(Date.now() - 95_000)
        if (name !== 'Redis') expect(await store.get(swept), 'gone for good').to.equal(undefined)
      } finally {
        clock.uninstall()
      }
    })

    it('survive parallel writes of one key', async () => {
      const contended = { ...key, id: 'contended' }
      await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(contended, i, 60)))
      expect(await store.get(contended)).to.be.within(0, 19)
    })

    it('answer a ping', () => store.ping())
  })
}
