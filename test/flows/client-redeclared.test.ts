import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { answerRequest, askForResult, bank, startRequest } from '../support/ciba.ts'
import { api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import {
  codeFor,
  expectRefusal,
  introspect,
  post,
  redeem,
  refresh,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'

describe('a client that is deleted and declared again', () => {
  const server = booted(anyStorage, {}, furnish)

  const form = { grant_type: 'client_credentials', resource: api }
  const tokenOf = async () => tokensIn(await post(server, '/token', machine, form)).access_token
  const again = async (client: typeof web | typeof machine | typeof bank) => {
    await server.core.revocations.deleteClient(defaultTenant, client.client_id)
    return (await server.core.clients.declare(defaultTenant, client)).outcome
  }

  it('works at once, and its old tokens stay void (R-08, RFC 7009)', async () => {
    const old = await tokenOf()
    expect(await introspect(server, ordersApi, old)).to.include({ active: true })
    expect(await again(machine)).to.equal('created')
    const fresh = await tokenOf()
    expect(await introspect(server, ordersApi, fresh)).to.include({ active: true })
    expect(await introspect(server, ordersApi, old)).to.deep.equal({ active: false })
  })

  it('needs new consent and gets new tokens; old tokens and codes stay void', async () => {
    const old = await tokensFor(server, web)
    const code = await codeFor(server, web)
    expect(await again(web)).to.equal('created')
    const fresh = await tokensFor(server, web)
    expect((await userinfo(server, fresh.access_token)).status).to.equal(200)
    const next = tokensIn(await refresh(server, web, fresh))
    expect((await userinfo(server, next.access_token)).status).to.equal(200)
    expect((await userinfo(server, old.access_token)).status).to.equal(401)
    expectRefusal(await refresh(server, web, old), 400, 'invalid_grant')
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
  })

  it('can make new backchannel requests at once; old ones have expired', async () => {
    await server.core.clients.declare(defaultTenant, bank)
    const waits = await startRequest(server)
    const allowed = await startRequest(server)
    await answerRequest(server)
    expect(await again(bank)).to.equal('created')
    for (const old of [waits, allowed]) {
      expectRefusal(await askForResult(server, old), 400, 'expired_token')
    }
    const fresh = await startRequest(server)
    expectRefusal(await askForResult(server, fresh), 400, 'authorization_pending')
    await answerRequest(server)
    const { access_token } = tokensIn(await askForResult(server, fresh))
    expect((await userinfo(server, access_token)).status).to.equal(200)
  })
})
