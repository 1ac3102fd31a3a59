import { expect } from 'chai'
import { decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { itOnAny, onAnyStorage } from '../support/any-storage.ts'
import { boot, booted, bootOn, onEachStorage, type TestServer } from '../support/boot.ts'
import { api, furnish, spa, web } from '../support/fixtures.ts'
import { expectRefusal, introspect, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const offline = { scope: 'openid offline_access' }

type Counts = ReturnType<TestServer['core']['counters']['read']>

onEachStorage('a repeated refresh after a lost response (reliability §2, R-07)', (kind) => {
  const test = itOnAny(kind)
  // The clock of a running server must not go back.
  after(backToPresent)
  const server = booted(kind, {}, furnish)
  let counted: Counts
  beforeEach(() => {
    counted = { ...server.core.counters.read() }
  })

  /** By how much a counter rose in this test. */
  const countOf = (name: keyof Counts) => server.core.counters.read()[name] - counted[name]

  async function familyOf(token: string | undefined) {
    const stored = await server.core.families.find('default', hashOf(token as string))
    return stored?.familyId
  }

  it('returns the same tokens with their remaining lifetime', async () => {
    const first = await tokensFor(server, web, offline)
    const answer = tokensIn(await refresh(server, web, first))
    travel(10)
    const again = tokensIn(await refresh(server, web, first))
    expect(again).to.deep.equal({ ...answer, expires_in: again.expires_in })
    expect(again.expires_in).to.be.within(585, 591)
    expect(await introspect(server, web, again.access_token)).to.include({ active: true })
    tokensIn(await refresh(server, web, again))
  })

  it('returns one response to concurrent requests, and leaves one chain (K-41)', async () => {
    const first = await tokensFor(server, spa, offline)
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => tokensIn(await refresh(server, spa, first))),
    )
    expect(new Set(answers.map(({ refresh_token }) => refresh_token)).size).to.equal(1)
    expect(new Set(answers.map(({ access_token }) => access_token)).size).to.equal(1)
    const family = (await familyOf(answers[0]?.refresh_token)) as string
    const steps = await server.core.families.steps('default', family)
    expect(steps.filter(({ consumedAt }) => consumedAt === undefined)).to.have.length(1)
    // All have the same time, because the clock stands still after `travel`, so their order is undefined.
    expect(steps.find(({ consumedAt }) => consumedAt !== undefined)?.replays).to.equal(19)
    expect(countOf('family_rotated')).to.equal(1)
    expect(countOf('family_replayed')).to.equal(19)
    expect(countOf('family_reuse_race')).to.equal(0)
  })

  it('is refused for concurrent requests after the window, and audited once (C26)', async () => {
    const first = await tokensFor(server, spa, offline)
    const answer = tokensIn(await refresh(server, spa, first))
    const family = (await familyOf(answer.refresh_token)) as string
    travel(31)
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(server, spa, first)))
    for (const each of answers) expectRefusal(each, 400, 'invalid_grant')
    expectRefusal(await refresh(server, spa, answer), 400, 'invalid_grant')
    const events = await server.core.audit.ofFamily('default', family)
    expect(events.map(({ type }) => type)).to.have.members([
      ...['token.issued', 'family.reuse', 'family.ended'],
    ])
    expect(countOf('family_reuse_race')).to.equal(1)
    expect(countOf('family_reuse_attack')).to.equal(0)
  })

  test('returns a new access token and the same refresh token for another scope', async () => {
    const first = await tokensFor(server, web, {
      scope: 'openid offline_access orders:read orders:write',
      resource: api,
    })
    const answer = tokensIn(await refresh(server, web, first))
    const narrower = tokensIn(await refresh(server, web, first, { scope: 'orders:read' }))
    expect(narrower.refresh_token).to.equal(answer.refresh_token)
    expect(narrower.access_token).to.not.equal(answer.access_token)
    expect(narrower.scope).to.equal('orders:read')
  })

  test('returns new tokens if their signing key has been revoked (R-10)', async () => {
    for (const token of ['access_token', 'id_token'] as const) {
      const first = await tokensFor(server, web, offline)
      const answer = tokensIn(await refresh(server, web, first))
      const kid = decodeProtectedHeader(answer[token] as string).kid as string
      await server.core.signing.revoke('default', kid)
      const again = tokensIn(await refresh(server, web, first))
      expect(again.refresh_token).to.equal(answer.refresh_token)
      expect(decodeProtectedHeader(again[token] as string).kid, token).to.not.equal(kid)
      expect(await introspect(server, web, again.access_token)).to.include({ active: true })
      tokensIn(await refresh(server, web, again))
    }
  })

  test('returns the same tokens even if they name no key of this server: opaque or encrypted', async () => {
    const opaque = { identifier: 'https://opaque.example.com', access_token_format: 'opaque' }
    await server.core.resources.declare('default', { ...opaque, scopes: ['opaque:read'] })
    const { publicKey } = await generateKeyPair('ECDH-ES', { extractable: true })
    const key = { ...(await exportJWK(publicKey)), kid: 'its own', use: 'enc', alg: 'ECDH-ES' }
    const sealed = {
      ...web,
      client_id: 'sealed',
      jwks: { keys: [key] },
      id_token_encrypted_response_alg: 'ECDH-ES',
    }
    await server.core.clients.declare('default', sealed)
    const asked = { scope: `${offline.scope} opaque:read`, resource: opaque.identifier }
    const first = await tokensFor(server, sealed, asked)
    const answer = tokensIn(await refresh(server, sealed, first))
    expect(
      [answer.access_token, answer.id_token].map((each) => each?.split('.').length),
    ).to.deep.equal([1, 5])
    const again = tokensIn(await refresh(server, sealed, first))
    expect(again).to.deep.equal({ ...answer, expires_in: again.expires_in })
  })

  it('works after the idle end of the used token (ASVS 10.4.8)', async () => {
    const brief = { ...spa, client_id: 'brief', refresh_token_idle_ttl: 100 }
    await server.core.clients.declare('default', brief)
    const first = await tokensFor(server, brief, offline)
    travel(95)
    const answer = tokensIn(await refresh(server, brief, first))
    travel(10)
    const again = tokensIn(await refresh(server, brief, first))
    expect(again.refresh_token).to.equal(answer.refresh_token)
    tokensIn(await refresh(server, brief, again))
  })

  test('requires the same client with its own secret', async () => {
    const first = await tokensFor(server, web, offline)
    const answer = tokensIn(await refresh(server, web, first))
    expectRefusal(await refresh(server, spa, first), 400, 'invalid_grant')
    const stranger = { ...web, client_secret: 'not-the-secret-of-web' }
    expectRefusal(await refresh(server, stranger, first), 401, 'invalid_client')
    tokensIn(await refresh(server, web, answer))
  })

  it('ends the family after the window, and tells a race from an attack', async () => {
    const first = await tokensFor(server, web, offline)
    const answer = tokensIn(await refresh(server, web, first))
    const family = (await familyOf(answer.refresh_token)) as string
    travel(31)
    expectRefusal(await refresh(server, web, first), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, answer), 400, 'invalid_grant')
    expect(await introspect(server, web, answer.access_token)).to.deep.equal({ active: false })

    const [view] = await server.core.families.list('default', { id: family })
    expect(view).to.deep.include({ endedReason: 'reuse' })
    const detail = { verdict: 'race', seconds_after_first_use: 31, successor_used: false }
    expect(view?.endedDetail).to.include(detail)
    const events = await server.core.audit.ofFamily('default', family)
    expect(events.map(({ type }) => type)).to.have.members([
      ...['token.issued', 'family.reuse', 'family.ended'],
    ])
    expect(countOf('family_reuse_race')).to.equal(1)
    expect(countOf('family_reuse_attack')).to.equal(0)
  })

  test('works for five seconds after the successor was used (two tabs)', async () => {
    const first = await tokensFor(server, spa, offline)
    const second = tokensIn(await refresh(server, spa, first))
    tokensIn(await refresh(server, spa, second))
    travel(4)
    const late = tokensIn(await refresh(server, spa, first))
    expect(late.refresh_token).to.equal(second.refresh_token)
    travel(2)
    expectRefusal(await refresh(server, spa, first), 400, 'invalid_grant')
    expect(await familyOf(second.refresh_token)).to.equal(undefined)
  })

  it('decrypts the stored response only with the presented token; a sweep deletes it after the window', async () => {
    const first = await tokensFor(server, web, offline)
    tokensIn(await refresh(server, web, first))
    const [row] = await server.core.database.query<{ answer: string }>(
      'select answer from refresh_tokens where token_hash = $1',
      [hashOf(first.refresh_token as string)],
    )
    expect(row?.answer).to.be.a('string')
    const { openAnswer } = await import('../../src/families/replay.ts')
    expect(openAnswer(first.refresh_token as string, row?.answer as string).body).to.have.property(
      'refresh_token',
    )
    expect(() =>
      openAnswer(hashOf(first.refresh_token as string), row?.answer as string),
    ).to.throw()
    travel(61)
    await server.core.families.sweep()
    const left = await server.core.database.query(
      'select 1 from refresh_tokens where answer is not null',
    )
    expect(left).to.deep.equal([])
  })

  it('is detected as reuse long after the row of the token was deleted', async () => {
    const first = await tokensFor(server, web, offline)
    let last = tokensIn(await refresh(server, web, first))
    travel(29 * 24 * 3600)
    last = tokensIn(await refresh(server, web, last))
    travel(29 * 24 * 3600)
    await server.core.families.sweep()
    const rows = await server.core.database.query(
      'select 1 from refresh_tokens where token_hash = $1',
      [hashOf(first.refresh_token as string)],
    )
    expect(rows, 'deleted').to.deep.equal([])
    expectRefusal(await refresh(server, web, first), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, last), 400, 'invalid_grant')
    expect(countOf('family_reuse_attack')).to.equal(1)
  })

  test('is also detected as reuse for older tokens, which have no suffix', async () => {
    const issued = await tokensFor(server, web, offline)
    const bare = { refresh_token: issued.refresh_token?.replace(/\.e30$/, '') as string }
    const isActive = async () =>
      ((await introspect(server, web, bare.refresh_token)) as { active: boolean }).active
    expect(await isActive()).to.equal(false)
    await server.core.database.execute(
      'update refresh_tokens set token_hash = $2 where token_hash = $1',
      [issued.refresh_token as string, bare.refresh_token].map(hashOf),
    )
    expect(await isActive()).to.equal(true)
    const next = tokensIn(await refresh(server, web, bare))
    expect(next.refresh_token).to.match(/\.e30$/)
    await server.core.database.execute('delete from refresh_tokens where token_hash = $1', [
      hashOf(bare.refresh_token),
    ])
    expectRefusal(await refresh(server, web, bare), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, next), 400, 'invalid_grant')
    expect(countOf('family_reuse_attack')).to.equal(1)
  })

  test('with a forged token ends nothing', async () => {
    const first = await tokensFor(server, web, offline)
    const token = first.refresh_token as string
    const forged = `${'A'.repeat(43)}${token.slice(43)}`
    expectRefusal(await refresh(server, web, { refresh_token: forged }), 400, 'invalid_grant')
    tokensIn(await refresh(server, web, first))
  })
})

onAnyStorage('a repeated refresh after an outage (R-07)', (kind) => {
  let server: TestServer
  before(async () => {
    server = await boot(kind)
    await furnish(server)
  })
  after(async () => {
    backToPresent()
    await server?.stop()
  })

  it('returns the same tokens if the server was down until then, but not after the window', async () => {
    const [first, other] = [
      await tokensFor(server, web, offline),
      await tokensFor(server, spa, offline),
    ]
    const answer = tokensIn(await refresh(server, web, first))
    const lost = tokensIn(await refresh(server, spa, other))
    const { env, issuer } = server
    await server.stop()
    travel(3600)
    server = await bootOn(kind, env, new URL(issuer).port)
    await server.core.families.sweep()
    const again = tokensIn(await refresh(server, web, first))
    expect(again.refresh_token).to.equal(answer.refresh_token)
    tokensIn(await refresh(server, web, again))
    travel(31)
    expectRefusal(await refresh(server, spa, other), 400, 'invalid_grant')
    expectRefusal(await refresh(server, spa, lost), 400, 'invalid_grant')
  })
})

onAnyStorage('refresh without a replay window and with at most two families', (kind) => {
  const server = booted(kind, { REFRESH_REPLAY_WINDOW: '0', MAX_FAMILIES: '2' }, furnish)

  it('refuses the previous token at once and ends the family', async () => {
    const first = await tokensFor(server, web, offline)
    const second = tokensIn(await refresh(server, web, first))
    expectRefusal(await refresh(server, web, first), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, second), 400, 'invalid_grant')
  })

  it('ends the oldest family of an account at a client beyond the limit', async () => {
    const devices = []
    for (let i = 0; i < 3; i++) {
      devices.push(await tokensFor(server, web, offline))
    }
    const [oldest, ...others] = devices
    expectRefusal(await refresh(server, web, oldest as never), 400, 'invalid_grant')
    for (const device of others) tokensIn(await refresh(server, web, device))
  })
})
