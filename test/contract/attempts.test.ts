import { expect } from 'chai'
import type { Budget } from '../../src/attempts/attempts.ts'
import { networkOf } from '../../src/attempts/network.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { onEachStorage } from '../support/boot.ts'
import { openedNodes } from '../support/cores.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const budget = (subject: string, limit: number): Budget => ({
  kind: 'code',
  subject,
  limit,
  window: 60,
})

onEachStorage('attempts (C9, C26)', (kind) => {
  const nodes = openedNodes(kind)
  afterEach(backToPresent)

  const takes = async (count: number, budgets: Budget[]) => {
    const taken = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        (i % 2 === 0 ? nodes.a : nodes.b).attempts.take(tenant, budgets),
      ),
    )
    return taken.filter(Boolean).length
  }

  it('are limited, also in parallel on two nodes', async () => {
    expect(await takes(40, [budget('parallel', 7)])).to.equal(7)
  })

  it('are taken from all budgets or from none', async () => {
    const [narrow, wide] = [budget('narrow', 2), budget('wide', 10)]
    expect(await takes(6, [wide, narrow])).to.equal(2)
    expect(await takes(20, [wide])).to.equal(8)
    expect(await takes(5, [narrow, wide])).to.equal(0)
  })

  it('can be given back one by one, up to the limit', async () => {
    const one = budget('given back', 1)
    for (let time = 0; time < 3; time += 1) {
      expect(await takes(1, [one])).to.equal(1)
      await nodes.a.attempts.giveBack(tenant, [one])
    }
    await nodes.a.attempts.giveBack(tenant, [one])
    expect(await takes(3, [one])).to.equal(1)
  })

  it('start again after their window, which further tries do not extend', async () => {
    travel(0)
    const one = budget('window', 1)
    expect(await takes(1, [one])).to.equal(1)
    travel(59)
    expect(await takes(3, [one])).to.equal(0)
    travel(2)
    expect(await takes(3, [one])).to.equal(1)
  })

  it('are separate by kind', async () => {
    expect(await takes(2, [budget('same', 1)])).to.equal(1)
    expect(await takes(2, [{ ...budget('same', 1), kind: 'other' }])).to.equal(1)
  })
})

describe('attempts: the network of an address', () => {
  for (const [address, network] of [
    ['203.0.113.7', '203.0.113.0/24'],
    ['::1', '0:0:0::/48'],
    ['2001:db8::1', '2001:db8:0::/48'],
    ['2001:0DB8:00ab:ffff::', '2001:db8:ab::/48'],
    ['fe80:1:2:3:4:5:6:7', 'fe80:1:2::/48'],
    ['::', '0:0:0::/48'],
    ['64:ff9b::cb00:7107', '203.0.113.0/24'],
    ['64:ff9b::a00:0', '10.0.0.0/24'],
    ['64:FF9B:0:0:0:0:c000:2ff', '192.0.2.0/24'],
    ['64:ff9b::1:cb00:7107', '64:ff9b:0::/48'],
    ['64:ff9b:1::cb00:7107', '64:ff9b:1::/48'],
  ] as const) {
    it(`${address} is in ${network}`, () => {
      expect(networkOf(address)).to.equal(network)
    })
  }
})
