import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'

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
