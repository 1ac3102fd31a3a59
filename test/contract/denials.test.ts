import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import type { Denial } from '../../src/denials/denials.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes } from '../support/cores.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

onAnyStorage('denials', (kind) => {
  const nodes = openedNodes(kind)

  const seconds = () => Math.floor(Date.now() / 1000)
  const family = (subject: string): Denial => ({ kind: 'family', subject })
  const denies = async (denial: Denial, issuedAt: number, tenant = defaultTenant) => {
    await nodes.b.denials.start()
    return nodes.b.denials.anyDenies(tenant, [denial], issuedAt)
  }

  it('of a client cover tokens issued before them or in the same second, not later ones', async () => {
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    const client: Denial = { kind: 'client', subject: 'f' }
    try {
      await nodes.a.denials.add(defaultTenant, [client])
      expect(await denies(client, seconds() - 600)).to.equal(true)
      expect(await denies(client, seconds())).to.equal(true)
      expect(await denies(client, seconds() + 1)).to.equal(false)
    } finally {
      clock.uninstall()
    }
  })

  it('of what has ended for good cover every token, whatever clock dated it (R-08)', async () => {
    await nodes.a.denials.add(defaultTenant, [
      family('for good'),
      { kind: 'jti', subject: 'for good' },
      { kind: 'session', subject: 'ended', forGood: true },
    ])
    expect(await denies(family('for good'), seconds() + 300)).to.equal(true)
    expect(await denies({ kind: 'jti', subject: 'for good' }, seconds() + 300)).to.equal(true)
    expect(await denies({ kind: 'session', subject: 'ended' }, seconds() + 300)).to.equal(true)
  })

  it('that are repeated last as long as the later one', async () => {
    const client: Denial = { kind: 'client', subject: 'deleted twice', forGood: true }
    try {
      await nodes.a.denials.add(defaultTenant, [client])
      expect(await denies(client, seconds())).to.equal(true)
      travel(1000)
      await nodes.a.denials.add(defaultTenant, [client])
      expect(await denies(client, seconds())).to.equal(true)
      travel(400)
      expect(await denies(client, seconds() - 400)).to.equal(true)
    } finally {
      backToPresent()
    }
  })

  it('reach other nodes however long their transaction takes', async () => {
    const { database, denials } = nodes.a
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      await database.transaction(async () => {
        await denials.add(defaultTenant, [family('written early')])
        clock.setSystemTime(Date.now() + 60_000)
        await nodes.b.denials.start()
      })
      expect(await denies(family('written early'), seconds() - 60)).to.equal(true)
    } finally {
      clock.uninstall()
    }
  })

  it('reach other nodes and the feed within a minute when their commit becomes visible much later than they were written (R-10)', async () => {
    const { database, denials } = nodes.b
    await denials.refresh()
    await database.execute(
      `insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at)
       values ($1, 'family', 'shown late', 'infinity', $2, $3)`,
      [defaultTenant, new Date(Date.now() - 100_000), new Date(Date.now() + 600_000)],
    )
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      // Beyond the times of the other tests.
      clock.setSystemTime(Date.now() + 200_000)
      const writtenAfter = Date.now() - 21_000
      await denials.refresh()
      expect(denials.anyDenies(defaultTenant, [family('shown late')], seconds())).to.equal(true)
      const heard = denials.known(defaultTenant, 'any', { writtenAfter })
      expect(heard.entries.map(({ subject }) => subject)).to.include('shown late')
      const { arrived } = heard
      await denials.refresh()
      clock.setSystemTime(Date.now() + 61_000)
      await denials.refresh()
      expect(denials.arrived(), 'and do not arrive again').to.equal(arrived)
    } finally {
      clock.uninstall()
    }
  })

  it('cover one kind, subject and tenant', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    await nodes.a.denials.add(defaultTenant, [family('mine')])
    expect(await denies({ kind: 'session', subject: 'mine' }, seconds() - 60)).to.equal(false)
    expect(await denies(family('yours'), seconds() - 60)).to.equal(false)
    expect(await denies(family('mine'), seconds() - 60, 'other')).to.equal(false)
    const several: Denial[] = [{ kind: 'jti', subject: 'x' }, family('mine')]
    expect(await nodes.b.denials.anyDenies(defaultTenant, several, seconds() - 60)).to.equal(true)
    expect(await nodes.b.denials.anyDenies(defaultTenant, [], seconds() - 60)).to.equal(false)
  })

  it('can be added together, with duplicates or none at all', async () => {
    await nodes.a.denials.add(defaultTenant, [])
    await nodes.a.denials.add(defaultTenant, [family('p'), family('q'), family('p')])
    expect(await denies(family('p'), seconds() - 60)).to.equal(true)
    expect(await denies(family('q'), seconds() - 60)).to.equal(true)
  })

  it('never move back, whichever node is slow', async () => {
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      const first = seconds()
      await nodes.a.denials.add(defaultTenant, [family('late')])
      clock.setSystemTime(Date.now() - 10_000)
      await nodes.b.denials.add(defaultTenant, [family('late')])
      expect(await denies(family('late'), first)).to.equal(true)
      clock.setSystemTime(Date.now() + 60_000)
      await nodes.a.denials.add(defaultTenant, [family('late')])
      expect(await denies(family('late'), first + 40), 'but do move forward').to.equal(true)
    } finally {
      clock.uninstall()
    }
  })

  it('of a client are not shortened by one that is dated earlier, stored and in memory', async () => {
    const { denials } = nodes.a
    const client: Denial = { kind: 'client', subject: 'late' }
    const until = () => denials.deniedUntil(defaultTenant, client)
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      const first = Date.now()
      await denials.add(defaultTenant, [client])
      clock.setSystemTime(first - 10_000)
      await denials.add(defaultTenant, [client])
      const issuedAt = Math.floor(first / 1000)
      expect(denials.anyDenies(defaultTenant, [client], issuedAt)).to.equal(true)
      expect(await until()).to.equal(first)
      clock.setSystemTime(first + 60_000)
      await denials.add(defaultTenant, [client])
      expect(await until(), 'but do grow').to.equal(first + 60_000)
    } finally {
      clock.uninstall()
    }
  })

  it('are added in any order without a deadlock', async () => {
    const many = Array.from({ length: 30 }, (_, i) => family(`m${i}`))
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? nodes.a : nodes.b).denials.add(defaultTenant, i % 2 ? many : many.toReversed()),
      ),
    )
  })

  it('outlive the longest-lived token they cover, and are swept afterwards', async () => {
    const clock = install({ now: Date.now(), toFake: ['Date'] })
    try {
      await nodes.a.denials.add(defaultTenant, [family('swept')])
      const issued = seconds()
      clock.setSystemTime(Date.now() + 900_000)
      await nodes.a.denials.sweep()
      expect(await denies(family('swept'), issued)).to.equal(true)
      clock.setSystemTime(Date.now() + 400_000)
      await nodes.a.denials.sweep()
      expect(await denies(family('swept'), issued)).to.equal(false)
    } finally {
      clock.uninstall()
    }
  })
})
