import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { familyStartedBy } from '../../src/families/family.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { isUniqueViolation } from '../../src/storage/violations.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { errorOf, openedNodes, raceOver } from '../support/cores.ts'
import { someFamily, tokenOf } from '../support/people.ts'

onAnyStorage('refresh-token families', (kind) => {
  const nodes = openedNodes(kind)

  const find = (token: string) => nodes.b.families.find(defaultTenant, token)
  const rotate = (parent: string, successor: string) =>
    nodes.a.families.rotate(defaultTenant, parent, tokenOf(successor), undefined)
  const liveTokens = (family: string) =>
    nodes.a.database.query(
      `select token_hash from refresh_tokens where family_id = $1 and consumed_at is null`,
      [family],
    )
  /** Whether a token issued a minute ago is denied. */
  const isDenied = async (family: string) => {
    await nodes.b.denials.start()
    return nodes.b.denials.anyDenies(
      defaultTenant,
      [{ kind: 'family', subject: family }],
      Math.floor(Date.now() / 1000) - 60,
    )
  }

  it('start with one token', async () => {
    const { family, token } = await someFamily(nodes.a)
    expect(await find(token)).to.deep.equal({
      familyId: family.id,
      payload: { kind: 'RefreshToken' },
    })
    expect(await find(newHandle())).to.equal(undefined)
    expect(await nodes.a.families.find('other', token)).to.equal(undefined)
  })

  it('start once per code, from which the id is derived (RFC 6749 §4.1.2)', async () => {
    expect(familyStartedBy('a')).to.equal(familyStartedBy('a')).and.not.equal(familyStartedBy('b'))
    const { family } = await someFamily(nodes.a)
    const error = await errorOf(nodes.b.families.start(family, tokenOf(newHandle())))
    expect(isUniqueViolation(error, 'pk_families')).to.equal(true)
  })

  it('rotate: the parent is consumed but remains known, its successor is active', async () => {
    const { family, token } = await someFamily(nodes.a)
    const successor = newHandle()
    expect(await rotate(token, successor)).to.equal(true)
    expect((await find(token))?.consumed?.at).to.be.closeTo(Date.now(), 30_000)
    expect(await find(successor)).to.include({ familyId: family.id })
    expect((await find(successor))?.consumed?.at).to.equal(undefined)
    expect(await liveTokens(family.id)).to.deep.equal([{ token_hash: successor }])
  })

  it('never rotate a consumed or unknown token', async () => {
    const { family, token } = await someFamily(nodes.a)
    expect(await rotate(token, newHandle())).to.equal(true)
    expect(await rotate(token, newHandle())).to.equal(false)
    expect(await rotate(newHandle(), newHandle())).to.equal(false)
    expect(await liveTokens(family.id)).to.have.length(1)
  })

  it('rotate once for 20 concurrent requests at two nodes: one active token', async () => {
    const { family, token } = await someFamily(nodes.a)
    const tally = await raceOver(nodes, 20, ({ families }) =>
      families.rotate(defaultTenant, token, tokenOf(newHandle()), undefined),
    )
    expect(tally).to.deep.equal({ true: 1, false: 19 })
    expect(await liveTokens(family.id)).to.have.length(1)
  })

  it('rotate once for 20 transactions that find the token locked', async () => {
    const { family, token } = await someFamily(nodes.a)
    const seen: Array<number | undefined> = []
    const tally = await raceOver(nodes, 20, ({ database, families }) =>
      database.transaction(async () => {
        seen.push((await families.findLocked(defaultTenant, token))?.consumed?.at)
        return families.rotate(defaultTenant, token, tokenOf(newHandle()), undefined)
      }),
    )
    expect(tally).to.deep.equal({ true: 1, false: 19 })
    expect(
      seen.filter((at) => at === undefined),
      'the waiting caller sees it consumed',
    ).to.have.length(1)
    expect(await liveTokens(family.id)).to.have.length(1)
  })

  it('have at most one active token, whatever is written', async () => {
    const { family } = await someFamily(nodes.a)
    const error = await errorOf(
      nodes.a.database.execute(
        `insert into refresh_tokens (tenant_id, token_hash, family_id, payload, issued_at, expires_at)
         values ('default', 'second', $1, '{}', now(), now())`,
        [family.id],
      ),
    )
    expect(isUniqueViolation(error, 'uq_refresh_tokens_live')).to.equal(true)
  })

  it('store parent and successor atomically', async () => {
    const { family, token } = await someFamily(nodes.a)
    const other = await someFamily(nodes.a)
    const error = await errorOf(rotate(token, other.token))
    expect(isUniqueViolation(error, 'pk_refresh_tokens')).to.equal(true)
    expect((await find(token))?.consumed?.at).to.equal(undefined)
    expect(await liveTokens(family.id)).to.have.length(1)
  })

  it('that ended cannot be found, rotated or ended again', async () => {
    const { family, token } = await someFamily(nodes.a)
    const { families, database } = nodes.a
    await families.end(defaultTenant, family.id, 'reuse')
    expect(await find(token)).to.equal(undefined)
    expect(await rotate(token, newHandle())).to.equal(false)
    await families.end(defaultTenant, family.id, 'revoked')
    const rows = await database.query('select ended_reason from families where id = $1', [
      family.id,
    ])
    expect(rows).to.deep.equal([{ ended_reason: 'reuse' }])
  })

  it('deny their access tokens when they end, even without a refresh token', async () => {
    const { family } = await someFamily(nodes.a)
    expect(await isDenied(family.id)).to.equal(false)
    await nodes.a.families.end(defaultTenant, family.id, 'revoked')
    expect(await isDenied(family.id)).to.equal(true)
    await nodes.a.families.end(defaultTenant, 'never started', 'code_reuse')
    expect(await isDenied('never started')).to.equal(true)
  })

  it('end even if a rotation waits for the lock', async () => {
    const { family, token } = await someFamily(nodes.a)
    const waiting = Promise.withResolvers<void>()
    let rotation: Promise<unknown> | undefined
    await nodes.a.database.transaction(async () => {
      await nodes.a.families.end(defaultTenant, family.id, 'reuse')
      if (nodes.b !== nodes.a) {
        rotation = nodes.b.database.transaction(async () => {
          waiting.resolve()
          return nodes.b.families.findLocked(defaultTenant, token)
        })
        await waiting.promise
      }
    })
    expect(await rotation).to.equal(undefined)
    expect(await find(token)).to.equal(undefined)
  })

  it('end at their absolute lifetime', async () => {
    const { token } = await someFamily(nodes.a, { expiresAt: Date.now() + 60_000 })
    const clock = install({ now: Date.now() + 61_000, toFake: ['Date'] })
    try {
      expect(await find(token)).to.equal(undefined)
    } finally {
      clock.uninstall()
    }
  })

  it('end with their session only without offline_access', async () => {
    const sessionUid = newHandle()
    const bound = await someFamily(nodes.a, { sessionUid, endsWithSession: true })
    const offline = await someFamily(nodes.a, { sessionUid, endsWithSession: false })
    const elsewhere = await someFamily(nodes.a, { sessionUid: newHandle(), endsWithSession: true })
    await nodes.a.families.endWithSession(defaultTenant, sessionUid)
    expect(await find(bound.token)).to.equal(undefined)
    expect(await isDenied(bound.family.id)).to.equal(true)
    expect(await find(offline.token)).to.not.equal(undefined)
    expect(await find(elsewhere.token)).to.not.equal(undefined)
  })

  it('of one client end alone when only that client is signed out of the session', async () => {
    const sessionUid = newHandle()
    const one = await someFamily(nodes.a, { sessionUid, endsWithSession: true })
    const two = await someFamily(nodes.a, { sessionUid, endsWithSession: true })
    await nodes.a.families.endWithSession(defaultTenant, sessionUid, one.family.clientId)
    expect(await find(one.token)).to.equal(undefined)
    expect(await find(two.token)).to.not.equal(undefined)
  })
})
