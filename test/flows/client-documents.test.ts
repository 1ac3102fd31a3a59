import { expect } from 'chai'
import { clientsList } from '../../src/cli/clients-list.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { authorizeUrl, codeFor, redeem, tokensIn } from '../support/protocol.ts'
import { registrar } from '../support/registering.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('clients that are a metadata document', () => {
  let server: TestServer
  let host: DocumentHost

  const { send, declare } = registrar(() => server)
  const on = { client_id_metadata_documents: true }
  const stored = async (id: string) => {
    const rows = await server.core.database.query('select 1 from clients where client_id = $1', [
      id,
    ])
    return rows.length === 1
  }

  before(async () => {
    server = await boot('embedded', { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    host = await startDocumentHost()
  })
  beforeEach(() => declare(on))
  after(async () => {
    host?.stop()
    await server?.stop()
  })

  it('are unknown where the tenant does not take them, and discovery does not say so (P-092)', async () => {
    const advertised = async () => {
      const page = await send('GET', '/.well-known/oauth-authorization-server')
      return (page.json() as Record<string, unknown>)['client_id_metadata_document_supported']
    }
    await eventually('advertised', async () => (await advertised()) === true)
    await declare({})
    await eventually('not advertised', async () => (await advertised()) === undefined)
    const client_id = host.publish('/off')
    const page = await createUserAgent().get(authorizeUrl(server, { client_id }))
    expect(page.status).to.equal(400)
    expect(page.body).to.contain('invalid_client')
    expect(host.asked.get('/off')).to.equal(undefined)
  })

  it('sign people in, and are stored when somebody allows them something', async () => {
    const client_id = host.publish('/client.json')
    const agent = createUserAgent()
    const first = await agent.follow(await agent.get(authorizeUrl(server, { client_id })))
    expect(first.status, first.body).to.equal(200)
    const consent = await agent.follow(
      await agent.submit(first, { fields: { username: alice.email, password: alice.password } }),
    )
    const { host: shown } = new URL(client_id)
    expect(consent.body).to.contain(`comes from <code>${shown}</code>`)
    expect(await stored(client_id), 'before consent').to.equal(false)
    const code = await codeFor(server, { client_id }, { scope: 'openid offline_access' })
    expect(await stored(client_id), 'after consent').to.equal(true)
    const tokens = tokensIn(
      await redeem(server, { client_id, token_endpoint_auth_method: 'none' }, code),
    )
    expect(tokens.refresh_token).to.be.a('string')
    expect(host.asked.get('/client.json'), 'asked once').to.equal(1)
    const { clients } = await clientsList.execute(server.core, { tenant: defaultTenant })
    const listed = clients.find((each) => each.client_id === client_id)
    expect(listed).to.include({ registered_by: 'document', client_name: 'A travelling tool' })
  })
})
