import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { prover } from '../support/dpop.ts'
import { callback, furnish, spa, web } from '../support/fixtures.ts'
import {
  codeFor,
  expectRefusal,
  post,
  refresh,
  type StoryClient,
  tokensFor,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

onAnyStorage('refresh tokens by client policy', (kind) => {
  const server = booted(kind, {}, furnish)
  const offline = { scope: 'openid offline_access' }
  afterEach(() => backToPresent())

  async function redeemBound(client: StoryClient, proof: string) {
    const code = await codeFor(server, client, offline)
    const fields = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: callback,
      code_verifier: verifier,
    }
    return tokensIn(await post(server, '/token', client, fields, { dpop: proof }))
  }
  const refreshBound = (client: StoryClient, token: string | undefined, proof: string) =>
    post(
      server,
      '/token',
      client,
      { grant_type: 'refresh_token', refresh_token: token },
      { dpop: proof },
    )

  it('a bound token requires its key, and the binding survives rotation and replay (P-054)', async () => {
    const [proof, stranger] = [await prover(server), await prover(server)]
    const first = await redeemBound(spa, await proof())
    expect(first.token_type).to.equal('DPoP')
    const { cnf } = decodeJwt(first.access_token) as { cnf: { jkt: string } }
    expect(cnf.jkt).to.be.a('string')

    expectRefusal(await refresh(server, spa, first), 400, 'invalid_grant')
    expectRefusal(
      await refreshBound(spa, first.refresh_token, await stranger()),
      400,
      'invalid_grant',
    )
    const second = tokensIn(await refreshBound(spa, first.refresh_token, await proof()))
    expectRefusal(
      await refreshBound(spa, first.refresh_token, await stranger()),
      400,
      'invalid_grant',
    )
    const again = tokensIn(await refreshBound(spa, first.refresh_token, await proof()))
    expect(again.refresh_token).to.equal(second.refresh_token)
    expectRefusal(
      await refreshBound(spa, second.refresh_token, await stranger()),
      400,
      'invalid_grant',
    )
    const third = tokensIn(await refreshBound(spa, second.refresh_token, await proof()))
    expect((decodeJwt(third.access_token) as { cnf: { jkt: string } }).cnf).to.deep.equal(cnf)
  })

  it('a proof is accepted once; repeated ones get invalid_dpop_proof (P-054, C26)', async () => {
    const proof = await prover(server)
    const first = await redeemBound(spa, await proof())
    const used = await proof()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refreshBound(spa, first.refresh_token, used)),
    )
    const refused = answers.filter(({ status }) => status !== 200)
    expect(refused).to.have.length(9)
    // Not invalid_grant: the client may retry with a new proof.
    for (const page of refused) expectRefusal(page, 400, 'invalid_dpop_proof')
    tokensIn(await refreshBound(spa, first.refresh_token, await proof()))
    const wrong = await proof()
    expectRefusal(await refreshBound(spa, 'no-such-token', wrong), 400, 'invalid_grant')
  })

  it('rotation "never" keeps the token of a client with bound tokens, and is refused for others (P-049)', async () => {
    const fapi = { ...web, client_id: 'fapi', dpop_bound_access_tokens: true }
    await server.core.clients.declare('default', { ...fapi, refresh_token_rotation: 'never' })
    const proof = await prover(server)
    const first = await redeemBound(fapi, await proof())
    const again = tokensIn(await refreshBound(fapi, first.refresh_token, await proof()))
    expect(again.refresh_token).to.equal(first.refresh_token)
    expect(again.access_token).to.not.equal(first.access_token)
    expectRefusal(await refresh(server, fapi, first), 400, 'invalid_grant')

    const declared = server.core.clients.declare('default', {
      ...web,
      client_id: 'bearer',
      refresh_token_rotation: 'never',
    })
    const refused = await declared.then(
      () => undefined,
      (error: { detail: { faults: string[] } }) => error.detail.faults.join(),
    )
    expect(refused).to.contain('refresh_token_rotation: never requires dpop_bound_access_tokens')
  })

  it('a token that never rotates is extended by use, up to its absolute end (ASVS 10.4.8, P-049)', async () => {
    const kept = {
      ...web,
      client_id: 'kept',
      dpop_bound_access_tokens: true,
      refresh_token_rotation: 'never',
      refresh_token_idle_ttl: 1000,
      refresh_token_absolute_ttl: 2500,
    }
    await server.core.clients.declare('default', kept)
    // The clock stands still, so that the time of the sign-in does not count.
    travel(0)
    const proof = await prover(server)
    const first = await redeemBound(kept, await proof())
    const use = async () => refreshBound(kept, first.refresh_token, await proof())
    const expiry = async () => {
      const [row] = await server.core.database.query<{ at: Date; exp: number; family: Date }>(
        `select t.expires_at as at, (t.payload->>'exp')::int as exp, f.expires_at as family
         from refresh_tokens t join families f on f.tenant_id = t.tenant_id and f.id = t.family_id
         where f.client_id = 'kept' order by f.created_at desc limit 1`,
      )
      expect(row?.at.getTime()).to.be.within((row?.exp ?? 0) * 1000, (row?.exp ?? 0) * 1000 + 999)
      return row?.exp ?? 0
    }
    const issued = await expiry()
    travel(9)
    tokensIn(await use())
    expect(await expiry(), 'not written at every use').to.equal(issued)
    travel(891)
    tokensIn(await use())
    expect(await expiry()).to.be.within(issued + 899, issued + 902)
    // A request that is refused without the key does not count as use.
    travel(100)
    expectRefusal(await refresh(server, kept, first), 400, 'invalid_grant')
    expect(await expiry()).to.be.below(issued + 903)
    travel(800)
    tokensIn(await use())
    expect(await expiry(), 'absolute end').to.be.within(issued + 1498, issued + 1501)
    travel(690)
    tokensIn(await use())
    travel(20)
    expectRefusal(await use(), 400, 'invalid_grant')
    backToPresent()

    const idle = await redeemBound(kept, await proof())
    travel(1001)
    expectRefusal(await refreshBound(kept, idle.refresh_token, await proof()), 400, 'invalid_grant')
  })

  it('rotation "never" keeps the bound token of a public client (P-050)', async () => {
    const app = { ...spa, client_id: 'app', dpop_bound_access_tokens: true }
    await server.core.clients.declare('default', { ...app, refresh_token_rotation: 'never' })
    const proof = await prover(server)
    const bound = await redeemBound(app, await proof())
    const kept = tokensIn(await refreshBound(app, bound.refresh_token, await proof()))
    expect(kept.refresh_token, 'bound to its key').to.equal(bound.refresh_token)
  })

  it('lifetimes and the replay window can be set per client (ASVS 10.4.8)', async () => {
    const brief = { ...web, client_id: 'brief' }
    await server.core.clients.declare('default', {
      ...brief,
      refresh_token_idle_ttl: 100,
      refresh_token_absolute_ttl: 250,
      refresh_replay_window: 0,
    })
    let tokens = await tokensFor(server, brief, offline)
    for (let i = 0; i < 2; i++) {
      travel(90)
      tokens = tokensIn(await refresh(server, brief, tokens))
    }
    travel(71)
    expectRefusal(await refresh(server, brief, tokens), 400, 'invalid_grant')
    backToPresent()

    const idle = await tokensFor(server, brief, offline)
    travel(101)
    expectRefusal(await refresh(server, brief, idle), 400, 'invalid_grant')
    backToPresent()

    const once = await tokensFor(server, brief, offline)
    tokensIn(await refresh(server, brief, once))
    expectRefusal(await refresh(server, brief, once), 400, 'invalid_grant')
  })
})
