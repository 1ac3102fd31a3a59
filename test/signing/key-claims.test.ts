import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { claimLife } from '../../src/signing/key-claims.ts'
import { requiredAlgs } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { emptyStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const day = 24 * 3600
const tenants = 24
/** A tenant starts with a key for each required algorithm. */
const keys = tenants * requiredAlgs.length

const suite = servicesFound() ? describe : describe.skip
suite('signing keys of many tenants on five nodes (R-24)', () => {
  let nodes: Core[] = []

  before(async () => {
    const env = await emptyStorage()
    nodes = [await openNode(env)]
    while (nodes.length < 5) nodes.push(await openNode(env))
    await node(0).database.execute(
      `insert into tenants (id, name, created_at) select 't' || i, 'T', now() from generate_series(1, ${tenants}) i`,
    )
  })
  after(async () => {
    backToPresent()
    for (const node of nodes) await node.close()
  })

  const node = (index: number) => nodes[index] as Core
  const made = () => nodes.reduce((sum, { counters }) => sum + counters.read().signing_key_made, 0)
  async function counted() {
    const [row] = await node(0).database.query<{
      keys: number
      tenants: number
      following: number
    }>(
      `select count(*)::int as keys, count(distinct tenant_id)::int as tenants,
         count(*) filter (where activate_at > publish_at)::int as following from signing_keys`,
    )
    return row as NonNullable<typeof row>
  }

  it('are made once, also when all nodes want them at the same moment', async () => {
    await Promise.all(
      nodes.map(async ({ signing }) => {
        for (let i = 1; i <= tenants; i++) await signing.ensure(`t${i}`, ['ES256'])
      }),
    )
    expect(made(), 'keys made').to.equal(keys)
    expect(await counted()).to.deep.equal({ keys, tenants, following: 0 })
  })

  it('do not come due at the same moment, and none is late', async () => {
    travel(90 * day - 1000 - 3600)
    expect(await node(0).signing.rotateDue(), 'an hour early').to.equal(0)
    travel(1800)
    const early = await node(0).signing.rotateDue()
    expect(early, 'half an hour early').to.be.within(keys / 8, (keys * 7) / 8)
    expect(node(0).signing.alarms()).to.deep.equal({ late: 0, overdue: 0 })
  })

  it('get successors that are made once, also when all nodes rotate at the same moment', async () => {
    travel(1800 + 100)
    const before = made()
    const already = (await counted()).following
    const rotated = await Promise.all(nodes.map(({ signing }) => signing.rotateDue()))
    expect(made() - before, 'keys made').to.equal(keys - already)
    expect(rotated.reduce((sum, count) => sum + count)).to.equal(keys - already)
    expect(rotated.filter((count) => count > 0).length, 'nodes that made some of them').to.be.above(
      1,
    )
    expect(await counted()).to.deep.equal({ keys: 2 * keys, tenants, following: keys })
    expect(await node(0).database.query('select * from signing_key_claims')).to.deep.equal([])
  })

  it('wait no longer than the lifetime of a claim for a node that has died', async () => {
    const claim = (tenant: string, alg: string) =>
      node(0).database.execute(
        `insert into signing_key_claims (tenant_id, alg, holder, until) values ($1, $2, 'gone', $3)`,
        [tenant, alg, new Date(node(0).clock.now() + claimLife)],
      )
    travel(90 * day)
    await claim('t1', 'ES256')
    await claim(defaultTenant, 'ES256')
    const first = node(1).signing.ensure(defaultTenant, ['EdDSA'])
    const before = made()
    expect(await node(2).signing.rotateDue(), 'all but the claimed one').to.equal(keys - 1)
    expect(made() - before).to.equal(keys - 1)
    travel(claimLife / 1000)
    expect(await node(2).signing.rotateDue()).to.equal(1)
    expect(await first).to.equal(true)
    expect(made() - before).to.equal(keys + requiredAlgs.length + 1)
  })
})
