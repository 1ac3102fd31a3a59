import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import type { AdapterPayload } from 'oidc-provider'
import { deviceReference } from '../../src/oidc/adapters/device-code.ts'
import { newPolledHandle } from '../../src/oidc/polling.ts'
import { hashOf, newHandle } from '../../src/secrets/handle.ts'
import { sidOf } from '../../src/sessions/session.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { bareEngine } from '../support/bare-engine.ts'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, type Nodes, openNodes } from '../support/cores.ts'
import { startEngine, type TestEngine } from '../support/engine.ts'
import { someAccount, someClient } from '../support/people.ts'
import { dump } from '../support/witness.ts'

const shortLived = [
  'Interaction',
  'AccessToken',
  'ClientCredentials',
  'PushedAuthorizationRequest',
  'PreAuthorizedCode',
  'ReplayDetection',
]
const consumable = ['PushedAuthorizationRequest', 'PreAuthorizedCode']

onEachStorage('adapters of the engine', (kind) => {
  let nodes: Nodes
  let one: TestEngine
  /** The same on another node, or on the same one where there is only one. */
  let two: TestEngine
  let clientId: string
  const used = new Set<string>()

  before(async () => {
    nodes = await openNodes(kind)
    one = await startEngine(nodes.a)
    two = await startEngine(nodes.b)
    clientId = await someClient(nodes.a)
  })
  after(async () => {
    await one?.stop()
    await two?.stop()
    await nodes?.close()
  })

  const seconds = () => Math.floor(Date.now() / 1000)
  function handle(): string {
    const fresh = newHandle()
    used.add(fresh)
    return fresh
  }
  const payloadOf = (model: string, jti: string): AdapterPayload => ({
    kind: model,
    jti,
    iat: seconds(),
    exp: seconds() + 60,
    clientId,
  })
  async function stored(model: string): Promise<{ id: string; payload: AdapterPayload }> {
    const id = handle()
    const payload = payloadOf(model, id)
    await one.adapter(model).upsert(id, payload, 60)
    return { id, payload }
  }

  for (const model of shortLived) {
    describe(model, () => {
      it('is found on every node as it was stored, with its jti', async () => {
        const { id, payload } = await stored(model)
        expect(await two.adapter(model).find(id)).to.deep.equal(payload)
        expect(await two.adapter(model).find(handle())).to.equal(undefined)
      })

      it('is replaced by a second upsert', async () => {
        const { id, payload } = await stored(model)
        await one.adapter(model).upsert(id, { ...payload, scope: 'changed' }, 60)
        expect((await two.adapter(model).find(id))?.scope).to.equal('changed')
      })

      it('is gone after destroy, which may be called again', async () => {
        const { id } = await stored(model)
        await one.adapter(model).destroy(id)
        await one.adapter(model).destroy(id)
        expect(await two.adapter(model).find(id)).to.equal(undefined)
      })

      it('is not returned after its expiry and the tolerance', async () => {
        const { id } = await stored(model)
        const clock = install({ now: Date.now() + 76_000, toFake: ['Date'] })
        try {
          expect(await two.adapter(model).find(id)).to.equal(undefined)
        } finally {
          clock.uninstall()
        }
      })
    })
  }

  it('keep kinds apart: an id of one kind is not found as another (C3)', async () => {
    const models = [...shortLived, 'Grant', 'Session', 'RefreshToken', 'Client']
    for (const model of shortLived) {
      const { id } = await stored(model)
      for (const other of models.filter((each) => each !== model)) {
        expect(await one.adapter(other).find(id), `${model} as ${other}`).to.equal(undefined)
      }
      const asCode = await one.inTokenRequest(() => one.adapter('AuthorizationCode').find(id))
      expect(asCode, `${model} as AuthorizationCode`).to.equal(undefined)
    }
  })

  it('keep tenants apart', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    const other = await startEngine(nodes.a, 'other')
    for (const model of shortLived) {
      const { id } = await stored(model)
      expect(await other.adapter(model).find(id), model).to.equal(undefined)
    }
    await other.stop()
  })

  for (const model of consumable) {
    it(`consume a ${model} once, and refuse it from then on`, async () => {
      const { id } = await stored(model)
      await one.adapter(model).consume(id)
      expect((await two.adapter(model).find(id))?.consumed).to.be.closeTo(seconds(), 30)
      const error = await errorOf(two.adapter(model).consume(id))
      const isPushed = model === 'PushedAuthorizationRequest'
      expect(error).to.have.property('error', isPushed ? 'invalid_request_uri' : 'invalid_grant')
    })
  }

  it('do not consume an object that is gone, as it could come back unspent', async () => {
    const error = await errorOf(one.adapter('PreAuthorizedCode').consume(handle()))
    expect(error).to.have.property('error', 'invalid_grant')
  })

  it("find a device code by its reference on the user's pages, and by its handle only at the token endpoint (C3)", async () => {
    const id = newPolledHandle('DeviceCode', nodes.a.sealer)
    const reference = deviceReference(hashOf(id))
    const payload = { ...payloadOf('DeviceCode', id), userCode: 'BCDFGHJK' }
    await one.adapter('DeviceCode').upsert(id, payload, 60)
    expect((await two.adapter('DeviceCode').find(reference))?.userCode).to.equal('BCDFGHJK')
    expect(await two.adapter('DeviceCode').find(id), 'by its handle').to.equal(undefined)
  })

  it('give no user code to two devices at the same time', async () => {
    const ask = () => {
      const id = newPolledHandle('DeviceCode', nodes.a.sealer)
      const payload = { ...payloadOf('DeviceCode', id), userCode: 'ZZZZZZZZ' }
      return one.adapter('DeviceCode').upsert(id, payload, 60)
    }
    await ask()
    expect(await errorOf(ask())).to.have.property('error', 'temporarily_unavailable')
  })

  it('restore the returnTo of an interaction, and store neither it nor the session cookie', async () => {
    const id = handle()
    const cookie = handle()
    const payload: AdapterPayload = {
      ...payloadOf('Interaction', id),
      returnTo: `http://localhost/authorize/${id}`,
      session: { uid: 'uid', cookie, accountId: 'a' },
    }
    await one.adapter('Interaction').upsert(id, payload, 60)
    const found = await two.adapter('Interaction').find(id)
    expect(found?.returnTo).to.equal(payload.returnTo)
    expect(found?.session).to.deep.equal({ uid: 'uid', accountId: 'a' })
  })

  it('accept no decision for an interaction that has ended, and do not restore it (ASVS 2.3.1)', async () => {
    const id = handle()
    const payload = payloadOf('Interaction', id)
    const decided = { ...payload, result: { login: { accountId: 'a' } } }
    await one.adapter('Interaction').upsert(id, payload, 60)
    await two.adapter('Interaction').upsert(id, decided, 60)
    expect((await one.adapter('Interaction').find(id))?.result).to.deep.equal(decided.result)
    await one.adapter('Interaction').destroy(id)
    const late = two.adapter('Interaction').upsert(id, decided, 60)
    expect((await errorOf(late)).name).to.equal('SessionNotFound')
    expect(await one.adapter('Interaction').find(id)).to.equal(undefined)
  })

  it('store a session under its uid: found by handle and by uid, gone when destroyed', async () => {
    const id = handle()
    const uid = newHandle()
    const accountId = await someAccount(nodes.a)
    const payload = {
      ...payloadOf('Session', id),
      ...{ uid, accountId, loginTs: seconds(), authorizations: {} },
    }
    const session = one.adapter('Session')
    await session.upsert(id, payload, 60)
    const { clientId: _clientId, exp: _exp, ...kept } = payload
    const found = await two.adapter('Session').find(id)
    // The expiry counts from the write, which may be in the next second.
    expect(found).to.deep.equal({ ...kept, exp: found?.exp })
    expect(found?.exp).to.be.closeTo(payload.exp as number, 30)
    expect(await two.adapter('Session').findByUid(uid)).to.include({ uid, kind: 'Session' })
    await session.destroy(id)
    expect(await two.adapter('Session').find(id)).to.equal(undefined)
    const error = await errorOf(session.upsert(id, payload, 60))
    expect(error.name, 'a request in flight cannot restore it').to.equal('LoginRequired')
    expect(await two.adapter('Session').find(id)).to.equal(undefined)
  })

  it("keep a client's authorizations off the object prototype, whatever its client_id (C16)", async () => {
    const { Session } = await bareEngine(nodes.a, defaultTenant)
    const sound = { ...Object.getOwnPropertyDescriptors(Object.prototype) }
    for (const name of ['__proto__', 'constructor', 'toString']) {
      await nodes.a.database.query(
        `insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
         values ($1, $2, '{}', now(), now())`,
        [defaultTenant, name],
      )
      const session = new Session()
      session.loginAccount({ accountId: await someAccount(nodes.a) })
      used.add(session.jti)
      session.ensureClientContainer(name)
      await session.save(60)
      const found = await Session.findByUid(session.uid)
      expect(Object.keys(found?.authorizations ?? {}), name).to.deep.equal([name])
      expect(found?.sidFor(name), name).to.equal(sidOf(session.uid, name))

      const again = (await Session.find(session.jti)) as typeof session
      delete again.authorizations?.[name]
      await again.save(60)
      expect((await Session.find(session.jti))?.authorizations, name).to.deep.equal({})
      expect({ ...Object.getOwnPropertyDescriptors(Object.prototype) }, name).to.deep.equal(sound)
    }
  })

  it('find a client with a placeholder secret that does not authenticate, and never write one', async () => {
    const found = await one.adapter('Client').find(clientId)
    expect(found).to.include({ client_id: clientId })
    const secret = found?.['client_secret'] as string
    const client = await nodes.a.clients.find(defaultTenant, clientId)
    expect(client && nodes.a.clients.secretFits(client, secret)).to.equal(false)
    expect(await one.adapter('Client').find('unknown')).to.equal(undefined)
    const error = await errorOf(one.adapter('Client').upsert('x', {}, 0))
    expect(error.message).to.contain('must not write clients')
  })

  // A separate suite, as the tests of the suites above run after those of this one.
  describe('afterwards', () => {
    it('no handle is stored anywhere (dump of Postgres and Redis)', async () => {
      const kept = await dump(nodes.a.database, nodes.env['REDIS_URL'])
      expect(kept.length).to.be.above(10_000)
      expect(used.size).to.be.above(40)
      for (const secret of used) expect(kept).to.not.contain(secret)
    })
  })
})
