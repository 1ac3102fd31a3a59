import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { boot, onEachStorage, type TestServer } from '../support/boot.ts'
import { prover } from '../support/dpop.ts'
import { callback, furnish, spa } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  codeFor,
  expectRefusal,
  post,
  type StoryClient,
  type Tokens,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

onEachStorage('tokens that came without the key they are bound to by DPoP (P-054)', (kind) => {
  let server: TestServer
  const strict = { ...spa, client_id: 'strict', dpop_bound_access_tokens: true }
  before(async () => {
    server = await boot(kind)
    await furnish(server)
    await server.core.clients.declare('default', strict)
  })
  afterEach(() => backToPresent())
  after(() => server?.stop())

  async function bound(client: StoryClient, proof: string): Promise<Tokens> {
    const fields = {
      grant_type: 'authorization_code',
      code: await codeFor(server, client, { scope: 'openid offline_access' }),
      redirect_uri: callback,
      code_verifier: verifier,
    }
    return tokensIn(await post(server, '/token', client, fields, { dpop: proof }))
  }
  const refresh = (client: StoryClient, { refresh_token }: Tokens, proof?: string) =>
    post(
      server,
      '/token',
      client,
      { grant_type: 'refresh_token', refresh_token },
      proof === undefined ? {} : { dpop: proof },
    )
  const userinfo = (scheme: string, token: string, proof?: string) =>
    exchange({
      method: 'GET',
      url: new URL(`${server.issuer}/userinfo`),
      headers: { authorization: `${scheme} ${token}`, ...(proof ? { dpop: proof } : {}) },
    })

  async function counting(story: () => Promise<void>) {
    const before = server.core.counters.read()
    await story()
    const after = server.core.counters.read()
    return {
      missing: after.dpop_key_missing - before.dpop_key_missing,
      other: after.dpop_key_other - before.dpop_key_other,
    }
  }

  for (const client of [spa, strict]) {
    it(`are refused to ${client.client_id} at the token endpoint, also in the replay window, counted and audited`, async () => {
      const [proof, stranger] = [await prover(server), await prover(server)]
      const first = await bound(client, await proof())
      const second = tokensIn(await refresh(client, first, await proof()))
      const counted = await counting(async () => {
        for (const tokens of [first, second]) {
          expectRefusal(await refresh(client, tokens), 400, 'invalid_grant')
          expectRefusal(await refresh(client, tokens, await stranger()), 400, 'invalid_grant')
        }
      })
      expect(counted).to.deep.equal({ missing: 2, other: 2 })
      const again = tokensIn(await refresh(client, first, await proof()))
      expect(again.refresh_token).to.equal(second.refresh_token)
      const family = decodeJwt(first.access_token)['fid'] as string
      const events = await server.core.audit.ofFamily('default', family)
      const refused = events.filter(({ type }) => type === 'token.key_refused')
      expect(refused.map(({ detail }) => detail)).to.have.deep.members(
        ['missing', 'other', 'missing', 'other'].map((key) => ({
          mechanism: 'dpop',
          key,
          endpoint: 'token',
        })),
      )
    })
  }

  it('are refused at userinfo, counted and audited', async () => {
    const [proof, stranger] = [await prover(server), await prover(server)]
    const { access_token: token } = await bound(spa, await proof())
    const counted = await counting(async () => {
      for (const page of [
        await userinfo('Bearer', token),
        await userinfo('DPoP', token, await stranger(randomUUID(), token)),
      ]) {
        expect(page.status, page.body).to.equal(401)
        expect(page.headers.get('www-authenticate')).to.include('error="invalid_token"')
      }
      // Without any proof the scheme alone is refused, before the token is looked at.
      expect((await userinfo('DPoP', token)).status).to.be.oneOf([400, 401])
    })
    expect(counted).to.deep.equal({ missing: 1, other: 1 })
    const page = await userinfo('DPoP', token, await proof(randomUUID(), token))
    expect(page.status, page.body).to.equal(200)
    const events = await server.core.audit.ofFamily('default', decodeJwt(token)['fid'] as string)
    expect(events.map(({ clientId, detail }) => [clientId, detail?.['endpoint']])).to.deep.equal([
      [spa.client_id, 'userinfo'],
      [spa.client_id, 'userinfo'],
    ])
  })

  it('are no refusal of a key when something else is wrong', async () => {
    const proof = await prover(server)
    const first = await bound(spa, await proof())
    const counted = await counting(async () => {
      const used = await proof()
      tokensIn(await refresh(spa, first, used))
      expectRefusal(await refresh(spa, first, used), 400, 'invalid_grant')
      travel(40)
      expectRefusal(await refresh(spa, first, await proof()), 400, 'invalid_grant')
      expectRefusal(
        await post(server, '/token', strict, {
          grant_type: 'authorization_code',
          code: 'x',
          redirect_uri: callback,
        }),
        400,
        'invalid_grant',
      )
    })
    expect(counted).to.deep.equal({ missing: 0, other: 0 })
  })
})
