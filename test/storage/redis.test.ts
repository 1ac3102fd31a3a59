import { setImmediate as immediately } from 'node:timers/promises'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import type { Core } from '../../src/core.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a Redis command (R-03)', () => {
  let core: Core
  let url: string
  const redis = () => (services() as Services).redis
  before(async () => {
    const env = await freshStorage('services')
    url = env['REDIS_URL'] as string
    core = await openNode(env)
  })
  afterEach(() => redis().resume())
  after(() => core?.close())

  it('times out 200 ms after the call when Redis is frozen, also behind a command that hangs', async () => {
    const { shortLived } = core.storage
    await shortLived.ping()
    redis().pause()
    let over = false
    const first = refusalOf(shortLived.ping(), 'storage_unavailable').finally(() => {
      over = true
    })
    const took: Promise<number>[] = []
    await eventually('the first request is over', async () => {
      const from = performance.now()
      const refused = refusalOf(shortLived.ping(), 'storage_unavailable')
      took.push(refused.then(() => performance.now() - from))
      return over
    })
    await first
    // A busy machine may delay some of them.
    const sorted = (await Promise.all(took)).toSorted((a, b) => a - b)
    expect(sorted[Math.floor(sorted.length / 2)], sorted.join()).to.be.below(300)
  })

  it('does not time out when the process itself paused: an answer that has arrived counts', async () => {
    const { shortLived } = core.storage
    await eventually('Redis answers', () => shortLived.ping().then(() => true))
    const asked = shortLived.ping()
    await immediately()
    for (const until = performance.now() + 500; performance.now() < until; );
    expect(await asked).to.equal(undefined)
  })

  it('does not time out when the process paused before sending', async () => {
    const { shortLived } = core.storage
    await eventually('Redis answers', () => shortLived.ping().then(() => true))
    for (let turn = 0; turn < 5; turn++) {
      const asked = shortLived.ping()
      for (const until = performance.now() + 250; performance.now() < until; );
      expect(await asked).to.equal(undefined)
    }
  })

  it('fails its probe when Redis is full and evicts nothing', async () => {
    const { shortLived } = core.storage
    await eventually('Redis answers', () => shortLived.ping().then(() => true))
    const operator = new Redis(url)
    await operator.config('SET', 'maxmemory', '1')
    try {
      const refusal = await refusalOf(shortLived.ping(), 'storage_unavailable')
      expect(refusal.message).to.contain('OOM')
    } finally {
      await operator.config('SET', 'maxmemory', '0')
      operator.disconnect()
    }
    await shortLived.ping()
  })
})
