import { expect } from 'chai'
import type { Family } from '../../src/families/family.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes } from '../support/cores.ts'
import { someFamily, tokenOf } from '../support/people.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { countingTrips } from '../support/trips.ts'

onAnyStorage('families that were not used in time', (kind) => {
  const nodes = openedNodes(kind, { MAX_FAMILIES: '2' })
  afterEach(backToPresent)

  const isThere = async ({ id }: Family) =>
    (await nodes.a.families.list(defaultTenant, { id })).length > 0
  const lives = async ({ id }: Family) =>
    (await nodes.a.families.list(defaultTenant, { id, live: true })).length > 0

  async function another(like: Family): Promise<Family> {
    travel(1)
    const family = { ...like, id: newHandle(), expiresAt: Date.now() + 400 * 24 * 3600_000 }
    await nodes.a.families.start(family, tokenOf(newHandle()))
    return family
  }

  /** Waits for all parties. Embedded storage has one connection, so transactions cannot wait for each other. */
  function barrierOf(parties: number): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let left = parties
    return () => {
      if (--left <= 0) resolve()
      return promise
    }
  }

  it('make room for others of the account at the client', async () => {
    const { family: first } = await someFamily(nodes.a)
    const second = await another(first)
    expect(await lives(first), 'two are allowed').to.equal(true)
    const third = await another(first)
    expect(await lives(first), 'the oldest one ends').to.equal(false)

    travel(605)
    const fourth = await another(first)
    const fifth = await another(first)
    expect(await lives(fourth)).to.equal(true)
    for (const unused of [second, third]) {
      const [view] = await nodes.a.families.list(defaultTenant, { id: unused.id })
      expect(view?.endedAt, 'it did not have to be ended').to.equal(undefined)
    }
    expect(await lives(fifth)).to.equal(true)
  })

  it('end with three further round trips of the request that starts another one, with a denial and an event', async () => {
    const { database, denials, audit } = nodes.a
    const { family: first } = await someFamily(nodes.a)
    await another(first)
    const { all } = await countingTrips(database, () => another(first))
    expect(all, 'one to start it, and three').to.equal(4)
    expect(await lives(first)).to.equal(false)
    const issuedAt = Date.now() / 1000 - 1
    const subject = { kind: 'family' as const, subject: first.id }
    expect(denials.anyDenies(defaultTenant, [subject], issuedAt)).to.equal(true)
    const events = await audit.ofFamily(defaultTenant, first.id)
    expect(events.map(({ type, detail }) => [type, detail])).to.deep.equal([
      ['family.ended', { reason: 'superseded' }],
    ])
  })

  it('end a thousand at a time, and the rest with the next start', async () => {
    const { database } = nodes.a
    const { family } = await someFamily(nodes.a)
    await database.execute(
      `with more as (
       insert into families (tenant_id, id, grant_id, account_id, client_id, ends_with_session, created_at, expires_at)
       select tenant_id, id || n, grant_id, account_id, client_id, ends_with_session, created_at, expires_at
       from families, generate_series(1, 1003) n where id = $1 returning tenant_id, id)
     insert into refresh_tokens (tenant_id, token_hash, family_id, payload, issued_at, expires_at)
     select m.tenant_id, t.token_hash || m.id, m.id, t.payload, t.issued_at, t.expires_at
     from more m, refresh_tokens t where t.family_id = $1`,
      [family.id],
    )
    const { accountId } = family
    const living = async () =>
      (await nodes.a.families.list(defaultTenant, { accountId, live: true })).length
    await another(family)
    expect(await living()).to.equal(5)
    await another(family)
    expect(await living()).to.equal(2)
  })

  it('end even if several families start concurrently at two nodes', async () => {
    const { family } = await someFamily(nodes.a)
    travel(1)
    const both = [nodes.a, nodes.b]
    const meet = barrierOf(kind === 'services' ? both.length : 1)
    await Promise.all(
      both.map(({ database, families }) =>
        database.transaction(async () => {
          await families.start({ ...family, id: newHandle() }, tokenOf(newHandle()))
          await meet()
        }),
      ),
    )
    const { accountId } = family
    const alive = await nodes.a.families.list(defaultTenant, { accountId, live: true })
    expect(alive).to.have.length(2)
    expect(await lives(family), 'the oldest one ends').to.equal(false)
  })

  it('are deleted like those that ended, long before their absolute lifetime (C25)', async () => {
    const { family } = await someFamily(nodes.a)
    const unused = await another(family)
    travel(600 + 29 * 24 * 3600)
    await nodes.a.families.sweep()
    expect(await isThere(unused)).to.equal(true)
    travel(2 * 24 * 3600)
    await nodes.a.families.sweep()
    expect(await isThere(unused)).to.equal(false)
  })
})
