import { expect } from 'chai'
import { clientsCreate } from '../../src/cli/clients-create.ts'
import { logoutsList } from '../../src/cli/logouts-list.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { type LogoutReceiver, startLogoutReceiver } from '../support/logout-receiver.ts'
import { tokensFor } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('logouts list', (kind) => {
  let server: TestServer
  let party: LogoutReceiver
  before(async () => {
    server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    party = await startLogoutReceiver({ issuer: server.issuer, clientId: web.client_id })
    const backchannel_logout_uri = party.uri
    await server.core.clients.declare('default', { ...web, backchannel_logout_uri })
  })
  after(async () => {
    await party?.stop()
    await server?.stop()
  })

  const list = (wanted = {}) => logoutsList.execute(server.core, { tenant: 'default', ...wanted })

  it('reports that there are no notifications yet', async () => {
    const found = await list()
    expect(found).to.deep.equal({ logouts: [] })
    expect(logoutsList.render(found)).to.equal('There are no log-out notifications.')
  })

  it('shows which clients were notified, and which could not be and why', async () => {
    const signInAndOut = async () => {
      const agent = createUserAgent()
      await tokensFor(server, web, {}, agent)
      await agent.submit(await agent.get(`${server.issuer}/logout`))
    }
    await signInAndOut()
    await eventually(
      'the logout is delivered',
      async () => (await list({ state: 'delivered' })).logouts.length === 1,
    )
    party.answerWith((response) => response.writeHead(400).end('{"error":"sid \\u001b[31m"}'))
    await signInAndOut()
    await eventually(
      'the logout has failed',
      async () => (await list({ state: 'failed' })).logouts.length === 1,
    )

    const { logouts } = await list({ account: alice.email, client: web.client_id })
    expect(logouts.map(({ state }) => state)).to.deep.equal(['failed', 'delivered'])
    const [failed, delivered] = logouts
    expect(failed).to.include({ account: alice.email, client_id: 'web', attempts: 1 })
    expect(failed).to.have.all.keys(
      'id client_id account sid state attempts created_at failed_at last_error'.split(' '),
    )
    expect(delivered).to.have.all.keys(
      'id client_id account sid state attempts created_at delivered_at'.split(' '),
    )
    const text = logoutsList.render({ logouts })
    expect(text).to.match(/web +alice@example.com +failed +1 attempt +answered 400: sid +\[31m$/m)
    expect(text).to.match(/web +alice@example.com +delivered +1 attempt$/m)
    expect((await list({ client: 'other' })).logouts).to.deep.equal([])
  })

  it('accepts a client with a log-out URI on the command line', async () => {
    const options = { redirectUri: ['https://a.example/'], backchannelLogoutUri: party.uri }
    const args = { operands: [], options: { ...options, tenant: 'default' } }
    const io = { env: {}, stdin: async () => '', out: () => undefined, err: () => undefined }
    const { client } = await clientsCreate.prepare(args, io)
    expect(client).to.include({ backchannel_logout_uri: party.uri })
  })

  it('refuses an unknown state', async () => {
    const outcome = await runHere(['logouts', 'list', '--state', 'lost'], {})
    expect(outcome.code).to.equal(2)
    expect(outcome.stderr).to.include('waiting, delivered, failed')
  })
})
