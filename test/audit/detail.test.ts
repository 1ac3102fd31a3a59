import { AsyncLocalStorage } from 'node:async_hooks'
import { expect } from 'chai'
import { addedTogether } from '../../src/audit/together.ts'
import { noteKeyRefusal } from '../../src/oidc/key-refusals.ts'
import { anyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { countingTrips } from '../support/trips.ts'

const written = (statements: string[]) =>
  statements.filter((sql) => sql.includes('insert into audit_events'))

describe('the detail of an audit event', () => {
  it('omits members that its type does not have, and the event is still written', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    const detail = { by: 'owner', password: 'x' }
    await core.audit.record('default', { type: 'account.deleted', accountId: 'a', detail })
    const { events } = await core.audit.listEvents('default', { accountId: 'a' }, { limit: 2 })
    expect(events.map((event) => event.detail)).to.deep.equal([{ by: 'owner' }])
    await core.close()
  })
})

describe('an audit event that is counted', () => {
  it('needs only two statements for many concurrent events, and counts all of them', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    const countFailures = (clientId: string, times: number) =>
      Array.from({ length: times }, (_, i) => {
        const detail = { endpoint: `/${i}` }
        const event = { type: 'client.authentication_failed', clientId, detail } as const
        return core.audit.count('default', event, clientId)
      })
    const { statements } = await countingTrips(core.database, () =>
      Promise.all([...countFailures('a', 40), ...countFailures('b', 1)]),
    )
    expect(written(statements)).to.have.length(3)
    await Promise.all(countFailures('a', 1))
    const types = ['client.authentication_failed'] as const
    const { events } = await core.audit.listEvents('default', { types }, { limit: 9 })
    const counts = events.map(({ clientId, detail }) => [clientId, detail])
    expect(counts).to.have.deep.members([
      ['a', { endpoint: '/0', count: 41 }],
      ['b', { endpoint: '/0', count: 1 }],
    ])
    await core.close()
  })
})

describe('an audit event that is counted in a transaction', () => {
  it('is rolled back with it; concurrent ones outside are not', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    const detail = { endpoint: '/token' }
    const event = { type: 'client.authentication_failed', clientId: 'a', detail } as const
    const count = () => core.audit.count('default', event, 'a')
    const outside = AsyncLocalStorage.snapshot()
    const beside: Promise<void>[] = []
    const undone = core.database.transaction(async () => {
      beside.push(outside(count))
      const inside = count()
      beside.push(outside(count))
      await inside
      throw new Error('undone')
    })
    expect((await undone.catch((error: Error) => error)).message).to.equal('undone')
    await Promise.all(beside)
    const types = ['client.authentication_failed'] as const
    const { events } = await core.audit.listEvents('default', { types }, { limit: 9 })
    expect(events.map((each) => each.detail)).to.deep.equal([{ ...detail, count: 2 }])
    await core.close()
  })
})

describe('calls that are combined', () => {
  it('are written once with the latest row, even after an earlier write has failed', async () => {
    const writes: [id: string, row: string, times: number][] = []
    let end = Promise.withResolvers<void>()
    const add = addedTogether<string>((id, row, times) => {
      writes.push([id, row, times])
      return end.promise
    })
    const before = [add('a', 'first'), add('b', 'only')]
    const together = ['second', 'third', 'last'].map((row) => add('a', row))
    expect(writes.splice(0)).to.deep.equal([
      ['a', 'first', 1],
      ['b', 'only', 1],
    ])
    const failed = end
    end = Promise.withResolvers<void>()
    failed.reject(new Error('away'))
    const outcomes = await Promise.allSettled(before)
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    await new Promise(setImmediate)
    expect(writes.splice(0)).to.deep.equal([['a', 'last', 3]])
    let isOver = false
    const over = Promise.all(together.slice(1)).then(() => {
      isOver = true
    })
    const later = add('a', 'later')
    await new Promise(setImmediate)
    expect(isOver).to.equal(false)
    expect(writes).to.deep.equal([])
    end.resolve()
    await Promise.all([over, later])
    expect(writes.splice(0)).to.deep.equal([['a', 'later', 1]])
    const again = add('a', 'again')
    expect(writes, 'immediately, because no write is in progress').to.deep.equal([
      ['a', 'again', 1],
    ])
    await again
  })
})

describe('an audit event that is recorded repeatedly', () => {
  afterEach(backToPresent)
  const refused = { mechanism: 'dpop', key: 'missing' } as const

  it('is written once a day, which a process remembers unless the transaction was rolled back', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    travel(0)
    const notice = (clientId: string) =>
      core.audit.recordOnce(
        'default',
        { type: 'token.key_refused', clientId, detail: refused },
        clientId,
      )
    const outcomes: boolean[] = []
    const { statements } = await countingTrips(core.database, async () => {
      for (let i = 0; i < 3; i++) outcomes.push(await notice('a'))
    })
    expect(outcomes).to.deep.equal([true, false, false])
    expect(written(statements)).to.have.length(1)
    const undone = core.database.transaction(async () => {
      expect(await notice('b')).to.equal(true)
      throw new Error('undone')
    })
    expect((await undone.catch((error: Error) => error)).message).to.equal('undone')
    expect(await notice('b')).to.equal(true)
    travel(86_400)
    expect(await notice('a')).to.equal(true)
    await core.close()
  })

  it('needs only two statements for many tokens without their key, and counts all of them', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    // One minute after midnight, so that neither the hour nor the day changes during the test.
    travel(86_460 - ((Date.now() / 1000) % 86_400))
    const before = core.counters.read().dpop_key_missing ?? 0
    const note = (clientId: string, endpoint = 'userinfo', of: object = {}, how: object = {}) =>
      noteKeyRefusal(
        { tenant: 'default', audit: core.audit, counters: core.counters },
        { ...refused, ...how, endpoint, event: { clientId, ...of } },
      )
    await note('a')
    const { statements } = await countingTrips(core.database, () =>
      Promise.all(Array.from({ length: 40 }, () => note('a'))),
    )
    expect(written(statements)).to.have.length(2)
    await note('a', 'token')
    await note('b')
    await note('b', 'userinfo', { familyId: 'f' })
    await note('b', 'userinfo', { accountId: 'p' })
    expect(core.counters.read().dpop_key_missing).to.equal(before + 45)
    await note('b', 'userinfo', {}, { key: 'other' })
    await note('b', 'userinfo', {}, { mechanism: 'mtls' })
    const types = ['token.key_refused'] as const
    const { events } = await core.audit.listEvents('default', { types }, { limit: 9 })
    expect(events.map(({ clientId, detail }) => [clientId, detail])).to.have.deep.members([
      ['a', { ...refused, endpoint: 'userinfo' }],
      ['a', { ...refused, endpoint: 'userinfo', count: 40 }],
      ['a', { ...refused, endpoint: 'token' }],
      ['b', { ...refused, key: 'other', endpoint: 'userinfo' }],
      ['b', { ...refused, mechanism: 'mtls', endpoint: 'userinfo' }],
      ...Array.from({ length: 3 }, () => ['b', { ...refused, endpoint: 'userinfo' }]),
    ])
    await core.close()
  })
})
