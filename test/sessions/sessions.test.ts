import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { newHandle } from '../../src/secrets/handle.ts'
import { type Session, sidOf } from '../../src/sessions/session.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes, raceOver } from '../support/cores.ts'
import { someAccount, someClient, someFamily, someSession } from '../support/people.ts'

onAnyStorage('sessions', (kind) => {
  const nodes = openedNodes(kind)
  let accountId: string
  let app: string
  let shop: string
  before(async () => {
    accountId = await someAccount(nodes.a)
    app = await someClient(nodes.a)
    shop = await someClient(nodes.a)
  })

  const byHandle = (handle: string) => nodes.b.sessions.byHandle(defaultTenant, handle)
  const save = (
    session: Session,
    handle: string,
    known: string[] = [],
    dropped: string[] = [],
    node = nodes.a,
  ) => node.sessions.save(defaultTenant, session, handle, known, dropped)
  const got = (session: Session, clientId: string, persistsLogout = false) => ({
    [clientId]: { sid: sidOf(session.uid, clientId), persistsLogout },
  })
  /** Whether a token issued a minute ago is denied. */
  const sidIsDenied = async (session: Session, clientId: string) => {
    await nodes.b.denials.start()
    return nodes.b.denials.anyDenies(
      defaultTenant,
      [{ kind: 'session', subject: sidOf(session.uid, clientId) }],
      Math.floor(Date.now() / 1000) - 60,
    )
  }

  async function saved(
    members: Partial<Session> = {},
  ): Promise<{ session: Session; handle: string }> {
    const session = someSession({ accountId, ...members })
    const handle = newHandle()
    expect(await save(session, handle)).to.equal('saved')
    return { session, handle }
  }

  it('are found as they were saved, by handle and by uid', async () => {
    const plain = someSession()
    const session = someSession({
      accountId,
      loginAt: plain.createdAt - 5,
      acr: 'urn:one',
      amr: ['pwd', 'otp'],
      transient: true,
      state: { secret: 'of a log-out', clientId: 'x' },
    })
    session.clients = got(session, app, true)
    for (const each of [plain, session]) {
      const handle = newHandle()
      await save(each, handle)
      const back = await byHandle(handle)
      expect(back).to.deep.equal({ ...each, createdAt: back?.createdAt })
      expect(back?.createdAt).to.be.closeTo(each.createdAt, 5)
      expect(await nodes.b.sessions.byUid(defaultTenant, each.uid)).to.deep.equal(back)
      expect(await nodes.b.sessions.byHandle('other', handle)).to.equal(undefined)
    }
  })

  it('store the state of a log-out encrypted', async () => {
    const { session } = await saved({ state: { secret: 'plain words' } })
    const [row] = await nodes.a.database.query('select * from sessions where uid = $1', [
      session.uid,
    ])
    expect(JSON.stringify(row)).to.not.contain('plain words')
  })

  it('can be saved again under the same handle', async () => {
    const { session, handle } = await saved()
    expect(await save({ ...session, acr: 'two' }, handle)).to.equal('saved')
    expect((await byHandle(handle))?.acr).to.equal('two')
  })

  it('change their handle: the old one is invalid at once (ASVS 7.2.4)', async () => {
    const { session, handle } = await saved()
    const next = newHandle()
    expect(await save(session, next, [handle])).to.equal('saved')
    expect(await byHandle(handle)).to.equal(undefined)
    expect((await byHandle(next))?.uid).to.equal(session.uid)
  })

  it('whose handle another request has changed are superseded and not overwritten', async () => {
    const { session, handle } = await saved()
    const winner = newHandle()
    const loser = newHandle()
    expect(await save({ ...session, acr: 'winner' }, winner, [handle])).to.equal('saved')
    expect(await save({ ...session, acr: 'loser' }, loser, [handle], [], nodes.b)).to.equal(
      'superseded',
    )
    expect(await byHandle(loser)).to.equal(undefined)
    expect((await byHandle(winner))?.acr).to.equal('winner')
    expect(await save({ ...session, acr: 'old' }, handle), 'with the old handle').to.equal(
      'superseded',
    )
    expect(await byHandle(handle)).to.equal(undefined)
  })

  it('change their handle once for 20 concurrent requests at two nodes', async () => {
    const { session, handle } = await saved()
    const handles = Array.from({ length: 20 }, newHandle)
    const tally = await raceOver(nodes, 20, (node, i) =>
      save(session, handles[i] as string, [handle], [], node),
    )
    expect(tally).to.deep.equal({ saved: 1, superseded: 19 })
    const found = await Promise.all(handles.map(byHandle))
    expect(found.filter((each) => each !== undefined)).to.have.length(1)
  })

  it('cannot be taken over with the uid alone', async () => {
    const { session, handle } = await saved()
    expect(await save({ ...session, accountId: undefined }, newHandle())).to.equal('superseded')
    expect((await byHandle(handle))?.accountId).to.equal(accountId)
  })

  it('merge the clients of two overlapping requests', async () => {
    const { session, handle } = await saved()
    const requests = [app, shop].map((clientId, i) =>
      save({ ...session, clients: got(session, clientId) }, handle, [], [], i ? nodes.b : nodes.a),
    )
    expect(await Promise.all(requests)).to.deep.equal(['saved', 'saved'])
    expect((await byHandle(handle))?.clients).to.deep.equal({
      ...got(session, app),
      ...got(session, shop),
    })
  })

  it('that were superseded still add their client, so that log-out notifies it', async () => {
    const { session, handle } = await saved()
    const next = newHandle()
    await save({ ...session, clients: got(session, app) }, next, [handle])
    const outcome = await save({ ...session, clients: got(session, shop) }, newHandle(), [handle])
    expect(outcome).to.equal('superseded')
    expect((await byHandle(next))?.clients).to.have.all.keys(app, shop)
  })

  it('remember offline_access of a client permanently', async () => {
    const { session, handle } = await saved()
    await save({ ...session, clients: got(session, app, true) }, handle)
    await save({ ...session, clients: got(session, app, false) }, handle)
    expect((await byHandle(handle))?.clients[app]?.persistsLogout).to.equal(true)
  })

  it('that ended are not found, and stay ended whatever is saved later', async () => {
    const { session, handle } = await saved()
    await nodes.a.sessions.end(defaultTenant, session.uid, 'signed_out')
    expect(await byHandle(handle)).to.equal(undefined)
    expect(await nodes.b.sessions.byUid(defaultTenant, session.uid)).to.equal(undefined)
    for (const again of [handle, newHandle()]) {
      const late = { ...session, clients: got(session, app) }
      expect(await save(late, again, [handle], [], nodes.b)).to.equal('ended')
      expect(await byHandle(again)).to.equal(undefined)
    }
    const clients = await nodes.a.database.query(
      'select 1 from session_clients where session_uid = $1',
      [session.uid],
    )
    expect(clients, 'an ended session has no new clients').to.deep.equal([])
  })

  it('that ended are neither renewed, held, listed nor ended again', async () => {
    const owner = await someAccount(nodes.a)
    const { session, handle } = await saved({ accountId: owner })
    const { uid } = session
    const { sessions, database } = nodes.b
    const listed = async () => (await sessions.list(defaultTenant, owner)).map((one) => one.uid)
    const next = newHandle()
    expect(await sessions.renew(defaultTenant, uid, handle, next)).to.equal(true)
    expect(await sessions.hold(defaultTenant, uid)).to.equal(true)
    expect(await listed()).to.deep.equal([uid])
    expect(await nodes.a.sessions.end(defaultTenant, uid, 'signed_out')).to.equal(true)
    expect(await sessions.renew(defaultTenant, uid, next, newHandle())).to.equal(false)
    expect(await sessions.hold(defaultTenant, uid)).to.equal(false)
    expect(await listed()).to.deep.equal([])
    expect(await sessions.end(defaultTenant, uid, 'operator')).to.equal(false)
    await sessions.endAll(defaultTenant, [owner], 'operator')
    const kept = await database.query(
      'select handle_hash, ended_reason from sessions where uid = $1',
      [uid],
    )
    expect(kept).to.deep.equal([{ handle_hash: next, ended_reason: 'signed_out' }])
  })

  it('end once, whatever is saved concurrently', async () => {
    for (let round = 0; round < 5; round++) {
      const { session, handle } = await saved()
      const outcomes = await raceOver(nodes, 10, async (node, i) =>
        i === 5
          ? node.sessions.end(defaultTenant, session.uid, 'signed_out')
          : save({ ...session, clients: got(session, i % 2 ? app : shop) }, handle, [], [], node),
      )
      expect(outcomes['true'], 'the end').to.equal(1)
      expect(await byHandle(handle)).to.equal(undefined)
      const late = await nodes.a.database.query<{ client_id: string }>(
        'select client_id from session_clients where session_uid = $1',
        [session.uid],
      )
      for (const { client_id } of late) {
        expect(
          await sidIsDenied(session, client_id),
          'a client added in time was signed out',
        ).to.equal(true)
      }
    }
  })

  it('end their bound families and tokens, but not those with offline_access', async () => {
    const { session, handle } = await saved()
    const clients = { ...got(session, app), ...got(session, shop, true) }
    await save({ ...session, clients }, handle)
    const sessionUid = session.uid
    const bound = await someFamily(nodes.a, { sessionUid, endsWithSession: true })
    const offline = await someFamily(nodes.a, { sessionUid, endsWithSession: false })
    await nodes.a.sessions.end(defaultTenant, session.uid, 'signed_out')
    const { families } = nodes.b
    expect(await families.find(defaultTenant, bound.token)).to.equal(undefined)
    expect(await families.find(defaultTenant, offline.token)).to.not.equal(undefined)
    expect(await sidIsDenied(session, app)).to.equal(true)
    expect(await sidIsDenied(session, shop)).to.equal(false)
  })

  it('end the bound families of a client that was signed out, and remove only that client', async () => {
    const { session, handle } = await saved()
    const clients = { ...got(session, app), ...got(session, shop) }
    await save({ ...session, clients }, handle)
    const own = { sessionUid: session.uid, endsWithSession: true }
    const dropped = await someFamily(nodes.a, { ...own, clientId: app })
    const kept = await someFamily(nodes.a, { ...own, clientId: shop })
    await save({ ...session, clients: got(session, shop) }, newHandle(), [handle], [app])
    const { families, sessions } = nodes.b
    expect(await families.find(defaultTenant, dropped.token)).to.equal(undefined)
    expect(await families.find(defaultTenant, kept.token)).to.not.equal(undefined)
    expect(await sidIsDenied(session, app)).to.equal(true)
    expect(await sidIsDenied(session, shop)).to.equal(false)
    const back = await sessions.byUid(defaultTenant, session.uid)
    expect(back?.clients).to.have.all.keys(shop)
  })

  it('expire', async () => {
    const { handle } = await saved()
    const clock = install({ now: Date.now() + 3601_000, toFake: ['Date'] })
    try {
      expect(await byHandle(handle)).to.equal(undefined)
    } finally {
      clock.uninstall()
    }
  })

  it('of a disabled account are not found', async () => {
    const disabled = await someAccount(nodes.a)
    const { handle } = await saved({ accountId: disabled })
    expect((await byHandle(handle))?.accountId).to.equal(disabled)
    const account = await nodes.a.accounts.active(defaultTenant, disabled)
    if (account) await nodes.a.accounts.setDisabled(account, true)
    expect(await byHandle(handle)).to.equal(undefined)
  })
})
