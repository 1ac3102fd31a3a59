import { expect } from 'chai'
import Provider, { type AdapterPayload } from 'oidc-provider'
import { newHandle } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, type Nodes, openNodes } from '../support/cores.ts'
import { startEngine, type TestEngine } from '../support/engine.ts'
import { someAccount, someClient, someSession } from '../support/people.ts'
import { dump } from '../support/witness.ts'

onEachStorage('adapters at the token endpoint', (kind) => {
  let nodes: Nodes
  let one: TestEngine
  /** The same on another node, or on the same one where there is only one. */
  let two: TestEngine
  let accountId: string
  let clientId: string
  let sessionUid: string
  const used = new Set<string>()

  before(async () => {
    nodes = await openNodes(kind, { REFRESH_REPLAY_WINDOW: '0' })
    one = await startEngine(nodes.a)
    two = await startEngine(nodes.b)
    accountId = await someAccount(nodes.a)
    clientId = await someClient(nodes.a)
    const session = someSession({ accountId })
    sessionUid = session.uid
    await nodes.a.sessions.save(defaultTenant, session, newHandle(), [], [])
  })
  after(async () => {
    const stored = await dump(nodes.a.database, nodes.env['REDIS_URL'])
    await one.stop()
    await two.stop()
    await nodes.close()
    for (const secret of used) expect(stored, 'no handle is stored').to.not.contain(secret)
  })

  const seconds = () => Math.floor(Date.now() / 1000)
  function handle(): string {
    const fresh = newHandle()
    used.add(fresh)
    return fresh
  }
  /** As long as the handles of refresh tokens. */
  const refreshToken = () => `${handle()}${handle()}-.e30`
  const payloadOf = (model: string, jti: string): AdapterPayload => ({
    kind: model,
    jti,
    iat: seconds(),
    exp: seconds() + 60,
    clientId,
  })

  async function grant(): Promise<string> {
    const known = await nodes.a.grants.between(defaultTenant, accountId, clientId)
    const id = known ?? newHandle()
    await one.adapter('Grant').upsert(id, { ...payloadOf('Grant', id), accountId }, 60)
    return id
  }

  /** A code, as the authorization endpoint leaves it. */
  async function code(): Promise<string> {
    const id = handle()
    const payload = {
      ...payloadOf('AuthorizationCode', id),
      accountId,
      grantId: await grant(),
      sessionUid,
    }
    await one.adapter('AuthorizationCode').upsert(id, payload, 60)
    return id
  }

  /** The engine authenticates the client before it reads the code or token. */
  const authenticated = () => Provider.ctx?.oidc.entity('Client', { clientId })

  function findCode(engine: TestEngine, id: string) {
    authenticated()
    return engine.adapter('AuthorizationCode').find(id)
  }

  /** Redeems a code as the engine does, and returns the refresh token. */
  async function redeem(engine: TestEngine, id: string): Promise<string> {
    const token = refreshToken()
    const found = await findCode(engine, id)
    if (!found || found.consumed) throw new Error('refused by the engine')
    await engine.adapter('AuthorizationCode').consume(id)
    const { grantId } = found
    const payload = { ...payloadOf('RefreshToken', token), accountId, grantId }
    await engine.adapter('RefreshToken').upsert(token, payload, 60)
    return token
  }

  async function refresh(engine: TestEngine, id: string): Promise<string> {
    const token = refreshToken()
    authenticated()
    const found = await engine.adapter('RefreshToken').find(id)
    if (!found) throw new Error('not found')
    if (found.consumed) {
      await engine.adapter('RefreshToken').destroy(id)
      throw new Error('refused by the engine')
    }
    await engine.adapter('RefreshToken').consume(id)
    await engine.adapter('RefreshToken').upsert(token, { ...found, jti: token }, 60)
    return token
  }
  const findToken = (id: string) => two.adapter('RefreshToken').find(id)

  it('a grant is stored, and survives its destruction by the engine', async () => {
    const id = await grant()
    expect(await two.adapter('Grant').find(id)).to.include({ jti: id, accountId, clientId })
    await one.adapter('Grant').destroy(id)
    expect(await two.adapter('Grant').find(id)).to.include({ jti: id })
  })

  it('a code is redeemed, and reading it afterwards ends nothing', async () => {
    const id = await code()
    const token = await one.inTokenRequest(() => redeem(one, id))
    expect(await findToken(token)).to.include({ jti: token, kind: 'RefreshToken', accountId })
    const again = await two.inTokenRequest(() => findCode(two, id))
    expect(again, 'left for the other checks (ADR 0034)').not.to.have.property('consumed')
    expect(again?.exp).to.be.above(seconds())
    expect(await findToken(token)).to.include({ jti: token })
  })

  it('a code of a failed request is not spent, and nothing of the request is stored', async () => {
    const id = await code()
    let token = ''
    await errorOf(
      one.inTokenRequest(async () => {
        token = await redeem(one, id)
        throw new Error('the answer is not 200')
      }),
    )
    expect(await findToken(token)).to.equal(undefined)
    const found = await two.inTokenRequest(() => findCode(two, id))
    expect(found?.consumed).to.equal(undefined)
  })

  it('the second consume of a code throws invalid_grant and ends what the first one got', async () => {
    const id = await code()
    const token = await one.inTokenRequest(() => redeem(one, id))
    const error = await errorOf(
      two.inTokenRequest(async () => {
        await findCode(two, id)
        await two.adapter('AuthorizationCode').consume(id)
      }),
    )
    expect(error).to.have.property('error', 'invalid_grant')
    expect(await findToken(token)).to.equal(undefined)
  })

  it('a code redeemed in 20 parallel requests on two nodes gives one answer', async () => {
    const id = await code()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => {
        const engine = i % 2 ? one : two
        return engine.inTokenRequest(() => redeem(engine, id))
      }),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1)
  })

  it('a refresh token is rotated: the old one is found consumed, the new one is live', async () => {
    const id = await code()
    const first = await one.inTokenRequest(() => redeem(one, id))
    const second = await two.inTokenRequest(() => refresh(two, first))
    expect((await findToken(first))?.consumed).to.be.closeTo(seconds(), 30)
    expect(await findToken(second)).to.include({ jti: second })
    expect((await findToken(second))?.consumed).to.equal(undefined)
  })

  it('a refresh whose answer is not 200 leaves the old token unchanged', async () => {
    const id = await code()
    const first = await one.inTokenRequest(() => redeem(one, id))
    let second = ''
    await errorOf(
      one.inTokenRequest(async () => {
        second = await refresh(one, first)
        throw new Error('the answer is not 200')
      }),
    )
    expect(await findToken(second)).to.equal(undefined)
    expect((await findToken(first))?.consumed).to.equal(undefined)
    await two.inTokenRequest(() => refresh(two, first))
  })

  it('a reused refresh token ends its family, although the request is refused', async () => {
    const id = await code()
    const first = await one.inTokenRequest(() => redeem(one, id))
    const second = await one.inTokenRequest(() => refresh(one, first))
    await errorOf(two.inTokenRequest(() => refresh(two, first)))
    expect(await findToken(first)).to.equal(undefined)
    expect(await findToken(second)).to.equal(undefined)
  })

  it('a refresh token rotated in 20 parallel requests never leaves two live ones', async () => {
    const id = await code()
    const first = await one.inTokenRequest(() => redeem(one, id))
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => {
        const engine = i % 2 ? one : two
        return engine.inTokenRequest(() => refresh(engine, first))
      }),
    )
    const won = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    expect(won).to.have.length(1)
    const live = await nodes.a.database.query(
      `select t.family_id from refresh_tokens t join families f on f.id = t.family_id
       where t.consumed_at is null and f.ended_at is null group by 1 having count(*) > 1`,
    )
    expect(live).to.deep.equal([])
  })

  it('a refresh token that is destroyed ends its family', async () => {
    const id = await code()
    const token = await one.inTokenRequest(() => redeem(one, id))
    await one.adapter('RefreshToken').destroy(token)
    expect(await findToken(token)).to.equal(undefined)
  })

  it('an opaque access token is stored only when the request succeeds', async () => {
    const [kept, dropped] = [handle(), handle()]
    const token = one.adapter('AccessToken')
    await one.inTokenRequest(async () => {
      await nodes.a.database.current()?.open()
      await token.upsert(kept, payloadOf('AccessToken', kept), 60)
      expect(await token.find(kept), 'not before the commit').to.equal(undefined)
    })
    await errorOf(
      one.inTokenRequest(async () => {
        await nodes.a.database.current()?.open()
        await token.upsert(dropped, payloadOf('AccessToken', dropped), 60)
        throw new Error('refused')
      }),
    )
    expect(await two.adapter('AccessToken').find(kept)).to.include({ jti: kept })
    expect(await two.adapter('AccessToken').find(dropped)).to.equal(undefined)
  })

  it('an opaque access token that is denied is not found', async () => {
    const id = handle()
    const extra = { tenant_id: defaultTenant, fid: 'family-of-it' }
    const payload = { ...payloadOf('AccessToken', id), iat: seconds() - 60, extra }
    await one.adapter('AccessToken').upsert(id, payload, 60)
    expect(await two.adapter('AccessToken').find(id)).to.include({ jti: id })
    await nodes.a.denials.add(defaultTenant, [{ kind: 'family', subject: 'family-of-it' }])
    await nodes.b.denials.start()
    expect(await two.adapter('AccessToken').find(id)).to.equal(undefined)
  })
})
