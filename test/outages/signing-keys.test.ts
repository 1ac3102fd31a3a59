import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { startServer } from '../../src/server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { emptyStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { mayIdle } from './load.ts'

const staleness = 3
const day = 24 * 3600

const suite = servicesFound() ? describe : describe.skip
suite('signing keys while Postgres is away', function () {
  this.timeout(60_000)
  let env: Record<string, string>
  let core: Core
  let other: Core
  let proxy: TcpProxy
  let isCut = false

  before(async () => {
    env = { ...(await emptyStorage()), KEY_MAX_STALENESS: String(staleness) }
    other = await openNode(env)
    await other.firstStart()
    const there = new URL(env['DATABASE_URL'] ?? '')
    proxy = await startTcpProxy(Number(there.port), (link) => ({
      fromClient: (bytes) => (isCut ? link.cut() : link.toServer(bytes)),
      fromServer: (bytes) => (isCut ? link.cut() : link.toClient(bytes)),
    }))
    there.host = `127.0.0.1:${proxy.port}`
    const port = String(await freePort())
    core = await openNode({ ...env, DATABASE_URL: there.href, PORT: port })
    await core.signing.current(defaultTenant)
  })
  afterEach(backToPresent)
  after(async () => {
    await core?.close()
    await other?.close()
    await proxy?.stop()
  })

  async function readiness(): Promise<{ code: number; signing_keys?: string }> {
    const answer = await fetch(`http://localhost:${core.config.port}/readyz`)
    return { ...((await answer.json()) as Record<string, string>), code: answer.status }
  }

  const sign = () => core.signing.sign(defaultTenant, 'ES256', 'test+jwt', { sub: 'alice' })

  it('sign until KEY_MAX_STALENESS has passed, then refuse, and stay published throughout', async () => {
    const before = await core.signing.current(defaultTenant)
    const server = await startServer(core)
    expect(await readiness()).to.include({ code: 200, signing_keys: 'ok' })
    // Reads all changes, so that staleness counts from now, however busy the machine was.
    await core.changes.start()
    isCut = true
    const cut = performance.now()
    const isSure = () => performance.now() - cut < (staleness - 1) * 1000
    while (isSure()) {
      const outcome = await sign().catch((error: Error) => error)
      // Unless this machine paused in between.
      if (isSure()) expect(outcome).to.be.a('string')
      await pause(100)
    }
    const { published } = await other.signing.current(defaultTenant)
    const kid = published.find(({ alg }) => alg === 'ES256')?.kid as string
    await other.signing.revoke(defaultTenant, kid)
    let signed = 0
    await eventually('signing is refused', async () => {
      const asked = Math.round(performance.now() - cut)
      const refused = await sign().then(
        () => false,
        () => true,
      )
      if (!refused) signed = asked
      return refused
    })
    process.stdout.write(`      signed for ${signed} ms, KEY_MAX_STALENESS is ${staleness} s\n`)
    expect(signed, 'milliseconds of signing').to.be.below(staleness * 1000 + 500)
    await refusalOf(sign(), 'signing_keys_stale')
    expect(await core.signing.current(defaultTenant)).to.equal(before)
    const { code, signing_keys: told } = await readiness()
    expect({ code, told: told?.replace(/\d+ ms/, '… ms') }).to.deep.equal({
      code: 503,
      told: 'no news from Postgres about the keys for … ms, expected at most 3 s',
    })

    isCut = false
    await eventually('the replacement key signs', async () => {
      await sign()
      const now = await core.signing.current(defaultTenant)
      return !now.published.some((key) => key.kid === kid)
    })
    await eventually('the node is ready', async () => (await readiness()).code === 200)
    await server.stop()
  })

  it('raise an alarm once while a rotation is late, and clear it when it is done (R-09)', async () => {
    travel(90 * day)
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holder = other.database.transaction(async () => {
      await mayIdle(other.database)
      await other.database.query('lock table signing_keys in share row exclusive mode')
      locked.resolve()
      await release.promise
    })
    await locked.promise
    // The alarm does not wait for the round, which may hang with the database.
    const round = core.signing.rotateDue()
    await core.signing.look()
    expect(core.signing.alarms()).to.deep.equal({ late: 2, overdue: 0 })
    travel(3600)
    await core.signing.look()
    expect(core.signing.alarms()).to.deep.equal({ late: 2, overdue: 2 })
    expect(await round).to.equal(0)
    expect(core.counters.read()).to.include({ signing_key_late: 2, signing_key_overdue: 2 })
    release.resolve()
    await holder
    expect(await core.signing.rotateDue()).to.equal(2)
    await core.signing.look()
    expect(core.signing.alarms()).to.deep.equal({ late: 0, overdue: 0 })
  })
})
