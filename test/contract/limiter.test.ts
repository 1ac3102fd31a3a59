import { expect } from 'chai'
import { createLimiter } from '../../src/limits/limiter.ts'
import { limits } from '../../src/limits/limits.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { onEachStorage } from '../support/boot.ts'
import { openedNodes, refusalOf } from '../support/cores.ts'
import { forgetShortLived } from '../support/forget.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const { most, window } = limits.client_pair
const share = (subject: string, cost = 1) => ({ limit: 'client_pair', subject, cost }) as const

onEachStorage('limiter', (kind) => {
  const nodes = openedNodes(kind, { RATE_LIMITS: 'on' })
  beforeEach(() => travel(0))
  afterEach(backToPresent)

  it('shares its budget between nodes, reports the wait, and counts the refusal', async () => {
    const { a, b } = nodes
    await a.limiter.take(tenant, share('shared', most))
    const before = b.counters.read().rate_limited
    const refusal = await refusalOf(b.limiter.take(tenant, share('shared')), 'too_many_requests')
    expect(refusal).to.include({ status: 429, oauth: 'temporarily_unavailable' })
    expect(refusal.retryAfter).to.equal(window / most)
    expect(refusal.detail).to.include({ limit: 'client_pair' })
    expect(b.counters.read().rate_limited).to.equal(before + 1)
    travel(window / most)
    await b.limiter.take(tenant, share('shared'))
  })

  it('takes from all budgets or from none', async () => {
    const { limiter } = nodes.a
    await limiter.take(tenant, share('narrow', most))
    await refusalOf(limiter.take(tenant, share('wide'), share('narrow')), 'too_many_requests')
    await limiter.take(tenant, share('wide', most))
  })

  it('gives back what should not count', async () => {
    const { limiter } = nodes.a
    await limiter.take(tenant, share('right', most))
    await refusalOf(limiter.take(tenant, share('right')), 'too_many_requests')
    await limiter.giveBack(tenant, share('right'))
    await limiter.take(tenant, share('right'))
  })

  it('is separate by tenant', async () => {
    await nodes.a.limiter.take(tenant, share('tenants', most))
    await nodes.a.limiter.take('acme', share('tenants', most))
  })

  it('remembers noted use, and refuses by it without a lookup', async () => {
    const { limiter } = nodes.a
    expect(limiter.hasNoted(tenant, share('noted'))).to.equal(false)
    await limiter.note(tenant, share('noted', most))
    expect(limiter.hasNoted(tenant, share('noted'))).to.equal(true)
    limiter.assertLeft(tenant, share('noted'))
    await limiter.note(tenant, share('noted'))
    expect(() => limiter.assertLeft(tenant, share('noted'))).to.throw()
    travel(window * 2)
    limiter.assertLeft(tenant, share('noted'))
    expect(limiter.hasNoted(tenant, share('noted'))).to.equal(false)
  })

  it('refuses nothing when it is off', async () => {
    const off = createLimiter({ ...nodes.a, shared: undefined, on: false })
    for (let i = 0; i < 3; i++) await off.take(tenant, share('off', most))
  })

  if (kind === 'services') {
    it('starts again when Redis was flushed, on nodes that had not refused', async () => {
      await nodes.a.limiter.take(tenant, share('forgotten', most))
      await forgetShortLived(nodes.a, nodes.env)
      await nodes.b.limiter.take(tenant, share('forgotten', most))
    })
  }
})

const onServices = servicesFound() ? describe : describe.skip
onServices('limiter without Redis', () => {
  const nodes = openedNodes('services', { RATE_LIMITS: 'on' })
  const redis = () => (services() as Services).redis
  afterEach(() => redis().start())

  it('counts in the process while Redis is away: that process refuses, another one still accepts (R-03)', async () => {
    await redis().stop('SIGKILL')
    const { limiter, counters } = nodes.a
    await limiter.take(tenant, share('away', most))
    await refusalOf(limiter.take(tenant, share('away')), 'too_many_requests')
    await limiter.giveBack(tenant, share('away'))
    await limiter.take(tenant, share('away'))
    await nodes.b.limiter.take(tenant, share('away'))
    expect(counters.read().limits_local).to.be.greaterThan(0)
  })
})
