import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes, raceOver } from '../support/cores.ts'

onAnyStorage('single use', (kind) => {
  const nodes = openedNodes(kind)

  const soon = () => Date.now() + 60_000
  const claim = (key: string) => ({ tenant: defaultTenant, kind: 'AuthorizationCode', key })

  it('of one key by 20 parallel callers on two nodes succeeds once (C26)', async () => {
    const key = claim('raced')
    const tally = await raceOver(nodes, 20, ({ singleUse }) => singleUse.spend(key, soon()))
    expect(tally).to.deep.equal({ true: 1, false: 19 })
    expect(await nodes.a.singleUse.spentAt(key)).to.be.closeTo(Date.now(), 30_000)
  })

  it('in 20 parallel transactions succeeds once, and again only after a rollback', async () => {
    const key = claim('raced in transactions')
    const tally = await raceOver(nodes, 20, ({ database, singleUse }) =>
      database.transaction(() => singleUse.spend(key, soon())),
    )
    expect(tally).to.deep.equal({ true: 1, false: 19 })

    const undone = claim('undone')
    const { database, singleUse } = nodes.a
    await database.unit(async (unit) => {
      await unit.open()
      expect(await singleUse.spend(undone, soon())).to.equal(true)
      return false
    })
    expect(await singleUse.spentAt(undone)).to.equal(undefined)
    expect(await singleUse.spend(undone, soon())).to.equal(true)
  })

  it('of a jti persists when the request is refused or fails', async () => {
    const { database, singleUse } = nodes.a
    const refused = claim('refused jti')
    await database.unit(async (unit) => {
      await unit.open()
      expect(await singleUse.spend(refused, soon(), true)).to.equal(true)
      return false
    })
    expect(await nodes.b.singleUse.spend(refused, soon(), true)).to.equal(false)

    const broken = claim('broken jti')
    await database
      .unit(async (unit) => {
        await unit.open()
        await singleUse.spend(broken, soon(), true)
        throw new Error('broken')
      })
      .catch(() => undefined)
    expect(await nodes.b.singleUse.spend(broken, soon(), true)).to.equal(false)
  })

  it('of one kind or tenant is separate from that of another (C3)', async () => {
    const { singleUse, tenants } = nodes.a
    await tenants.declare({ id: 'other', name: 'Other' })
    const key = claim('shared')
    expect(await singleUse.spend(key, soon())).to.equal(true)
    expect(await singleUse.spend({ ...key, kind: 'DeviceCode' }, soon())).to.equal(true)
    expect(await singleUse.spend({ ...key, tenant: 'other' }, soon())).to.equal(true)
  })

  it('is forgotten after the object itself has expired, and not before', async () => {
    const { singleUse } = nodes.a
    const ended = claim('ended')
    const living = claim('living')
    await singleUse.spend(ended, Date.now() - 1)
    await singleUse.spend(living, soon())
    await singleUse.sweep()
    expect(await singleUse.sweep()).to.equal(0)
    expect(await singleUse.spentAt(ended)).to.equal(undefined)
    expect(await singleUse.spend(living, soon())).to.equal(false)
  })
})
