import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'

const onServices = servicesFound() ? describe : describe.skip
onServices('Redis that fails', () => {
  let core: Core
  let env: Record<string, string>
  const redis = () => (services() as Services).redis
  const key = { tenant: 'default', model: 'Interaction', id: 'x' }

  before(async () => {
    env = await freshStorage('services')
    core = await openNode(env)
  })
  afterEach(async () => {
    redis().resume()
    await redis().start()
  })
  after(() => core?.close())

  /** Every verb says so, quickly: a dead Redis must cost a 503 and never a hang. */
  async function refusesQuickly(): Promise<void> {
    const { shortLived } = core
    for (const verb of [
      () => shortLived.get(key),
      () => shortLived.put(key, 1, 60),
      () => shortLived.delete(key),
      () => shortLived.ping(),
    ]) {
      const began = performance.now()
      const refusal = await refusalOf(verb(), 'storage_unavailable')
      expect(performance.now() - began).to.be.below(300)
      expect(refusal.status).to.equal(503)
    }
  }

  const recovers = () =>
    eventually('Redis is used again', async () => {
      await core.shortLived.put(key, 'again', 60)
      return (await core.shortLived.get(key)) === 'again'
    })

  it('says at the start why it takes nobody: a wrong password', async () => {
    const url = String(env['REDIS_URL']).replace('://', '://nobody:hunter3@')
    const log = createLog({ level: 'silent' })
    const refusal = await refusalOf(openRedis({ kind: 'single', url }, log), 'storage_unavailable')
    expect(refusal.message).to.match(/^Redis does not answer: WRONGPASS/)
    expect(refusal.message).not.to.include('hunter3')
  })

  it('is refused within 300 ms while it is frozen, and used again afterwards', async () => {
    redis().pause()
    await refusesQuickly()
    redis().resume()
    await recovers()
  })

  it('is refused within 300 ms while it is stopped, and used again afterwards', async () => {
    await redis().stop('SIGKILL')
    await refusesQuickly()
    await redis().start()
    await recovers()
  })

  it('takes nothing with it that counts: truth is in Postgres', async () => {
    const claim = { tenant: defaultTenant, kind: 'AuthorizationCode', key: 'spent' }
    expect(await core.singleUse.spend(claim, Date.now() + 60_000)).to.equal(true)
    await core.shortLived.put(key, 1, 60)
    await redis().flush()
    expect(await core.shortLived.get(key)).to.equal(undefined)
    expect(await core.singleUse.spend(claim, Date.now() + 60_000)).to.equal(false)
  })

  it('stops a start with one clear refusal', async () => {
    await redis().stop('SIGKILL')
    const refusal = await refusalOf(openNode(env), 'storage_unavailable')
    expect(refusal.message).to.contain('Redis does not answer')
  })
})
