import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { countingTrips } from '../support/trips.ts'

describe('the detail of an audit event', () => {
  it('has no member that its type has not, and the event is written all the same', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    const detail = { by: 'owner', password: 'x' }
    await core.audit.record('default', { type: 'account.deleted', accountId: 'a', detail })
    const { events } = await core.audit.listEvents('default', { accountId: 'a' }, { limit: 2 })
    expect(events.map((event) => event.detail)).to.deep.equal([{ by: 'owner' }])
    await core.close()
  })
})

describe('an audit event that is counted', () => {
  it('costs a flood two statements, however many come at once, and counts all', async () => {
    const core = await openNode(await freshStorage(anyStorage))
    const come = (clientId: string, times: number) =>
      Array.from({ length: times }, (_, i) => {
        const detail = { endpoint: `/${i}` }
        const event = { type: 'client.authentication_failed', clientId, detail } as const
        return core.audit.count('default', event, clientId)
      })
    const { statements } = await countingTrips(core.database, () =>
      Promise.all([...come('a', 40), ...come('b', 1)]),
    )
    expect(statements.filter((sql) => sql.includes('insert into audit_events'))).to.have.length(3)
    await Promise.all(come('a', 1))
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
