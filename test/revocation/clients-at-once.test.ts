import { expect } from 'chai'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes } from '../support/cores.ts'

onAnyStorage('clients that two nodes delete at once', (kind) => {
  const nodes = openedNodes(kind)

  it('are deleted once, with one event each', async () => {
    const { a, b } = nodes
    // Not the default tenant, whose deletions wait for each other because of its owners.
    await a.tenants.create({ id: 'acme', name: 'Acme' })
    const ids = ['one', 'two']
    for (const client_id of ids) {
      await a.clients.declare('acme', {
        client_id,
        token_endpoint_auth_method: 'none',
        redirect_uris: ['https://rp.example.com/callback'],
      })
    }
    await Promise.all([
      a.revocations.deleteClients('acme', ids),
      b.revocations.deleteClients('acme', ids.toReversed()),
    ])
    expect(await a.clients.page('acme', { limit: 9 })).to.deep.equal([])
    const types = ['client.deleted'] as const
    const { events } = await a.audit.listEvents('acme', { types }, { limit: 9 })
    expect(events.map(({ clientId }) => clientId)).to.have.members(ids)
  })
})
