import { expect } from 'chai'
import { withOrigin } from '../../src/origin.ts'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { onEachStorage } from '../support/boot.ts'
import { type Nodes, openNodes, refusalOf } from '../support/cores.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

onEachStorage('client metadata documents', (kind) => {
  let nodes: Nodes
  let host: DocumentHost
  before(async () => {
    nodes = await openNodes(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
    host = await startDocumentHost()
  })
  beforeEach(() => travel(0))
  after(async () => {
    backToPresent()
    host?.stop()
    await nodes?.close()
  })

  const inBackground = { network: undefined }
  const somebodyAsks = { network: '192.0.2.0/24' }
  async function keep(clientId: string): Promise<void> {
    const { a } = nodes
    expect(await a.clientDocuments.settle(tenant, clientId, somebodyAsks)).to.equal(true)
    await a.database.transaction(() => a.clientDocuments.keep(tenant, clientId))
  }
  const declare = async (policy: object) => {
    await nodes.a.registrationPolicies.declare(tenant, registrationPolicy.parse(policy))
    travel(1)
  }

  it('that were stored are known to every node without another fetch', async () => {
    await declare({ client_id_metadata_documents: true })
    const clientId = host.publish('/kept')
    await keep(clientId)
    const { b } = nodes
    expect(await b.clientDocuments.settle(tenant, clientId, inBackground)).to.equal(true)
    expect(await b.clientDocuments.find(tenant, clientId)).to.include({ fromDocument: true })
    host.publish('/kept', { client_name: 'Another name' })
    travel(301)
    await Promise.all(
      [nodes.a, b, nodes.a, b].map((node) =>
        node.clientDocuments.settle(tenant, clientId, inBackground),
      ),
    )
    travel(1)
    for (const node of [nodes.a, b]) {
      const client = await node.clientDocuments.find(tenant, clientId)
      expect(client?.metadata).to.include({ client_name: 'Another name' })
    }
    const rows = await b.database.query(
      `select 1 from audit_events where client_id = $1 and type = 'client.changed'`,
      [clientId],
    )
    expect(rows, 'changes recorded').to.have.length(1)
    expect(host.asked.get('/kept')).to.be.at.most(3)
  })

  it('use only the room there is, and none of that for clients that register (C25)', async () => {
    await declare({ client_id_metadata_documents: true, most_unused: 3 })
    const ids = ['/two', '/three', '/four', '/five'].map((path) => host.publish(path))
    for (const id of ids) {
      travel(1)
      await keep(id)
    }
    const { clients, database, revocations } = nodes.a
    const isKept = async (id: string) => (await clients.find(tenant, id)) !== undefined
    const [two, ...last] = ids as [string, ...string[]]
    expect(await isKept(two), 'the oldest made room').to.equal(false)
    for (const id of last) expect(await isKept(id), id).to.equal(true)
    const expired = await database.query(
      `select 1 from audit_events where client_id = $1 and type = 'client.expired'`,
      [two],
    )
    expect(expired).to.have.length(1)
    for (const id of last) await revocations.setClientDisabled(tenant, id, true)
    await refusalOf(keep(host.publish('/six')), 'registration_full')
    expect(await isKept(host.publish('/six'))).to.equal(false)
    for (const id of last) expect(await clients.isDisabled(tenant, id), id).to.equal(true)
    await declare({ mode: 'open', client_id_metadata_documents: true, most_unused: 3 })
    const registered = await nodes.a.registrations.register(
      tenant,
      { redirect_uris: ['https://app.example.com/callback'] },
      { token: undefined, ip: '192.0.2.1' },
    )
    expect(registered.clientId).to.be.a('string')
  })

  it('evict a document of their own network when it is full, and no others', async () => {
    await declare({ client_id_metadata_documents: true, most_unused_per_network: 2 })
    const by = async (ip: string, path: string) => {
      travel(1)
      const id = host.publish(path)
      await withOrigin({ ip }, () => keep(id))
      return id
    }
    const elsewhere = await by('198.51.100.1', '/network/0')
    const first = await by('203.0.113.1', '/network/1')
    const second = await by('203.0.113.2', '/network/2')
    const third = await by('203.0.113.3', '/network/3')
    const kept = await Promise.all(
      [elsewhere, first, second, third].map((id) => nodes.a.clients.find(tenant, id)),
    )
    expect(kept.map((client) => client !== undefined)).to.deep.equal([true, false, true, true])
  })

  it('of one tenant are unknown to another', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    await declare({ client_id_metadata_documents: true })
    const clientId = host.publish('/own')
    await keep(clientId)
    for (const node of [nodes.a, nodes.b]) {
      expect(await node.clientDocuments.settle('other', clientId, somebodyAsks)).to.equal(false)
      expect(await node.clientDocuments.find('other', clientId)).to.equal(undefined)
    }
  })
})
