import { expect } from 'chai'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { api, furnish, machine } from '../support/fixtures.ts'
import { basic } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import {
  type Answer,
  ask,
  asWeb,
  expectToldToRetry,
  introspectOn,
  mayIdle,
  newDevice,
  refreshWith,
  slowest,
  summary,
  waitingForRows,
} from './load.ts'

const herd = Array.from({ length: 500 }, (_, i) => i)

/** Milliseconds: the longest wait for Postgres, and the time until the rate has recovered. */
const bound = 5000
const recovery = 2000
/** Milliseconds that a request without any store may take on a busy machine beside the herd. */
const mostBeside = 3000

/** Milliseconds that this machine took undisturbed. */
interface Before {
  round: number
  /** As many requests as in a round, which wait for no store. */
  idle: number
  herd: number
}

const suite = servicesFound() ? describe : describe.skip
suite('more requests than connections (R-12)', function () {
  this.timeout(60_000)
  let nodes: TwoNodes
  let devices: string[]

  before(async () => {
    nodes = await startTwoNodes({
      DATABASE_POOL_SIZE: '5',
      MAX_REQUESTS: '1000',
      LOG_LEVEL: 'warn',
    })
    await furnish({ core: nodes.core })
    devices = []
    for (let i = 0; i < 10; i++) devices.push((await newDevice(nodes)).refresh_token as string)
  })
  after(() => nodes?.stop())

  /**
   * Refreshes in parallel on one node, replaying each token often; meanwhile requests that need no store run in
   * sequence.
   */
  async function stampede(): Promise<{ answers: Answer[]; beside: Answer[] }> {
    const beside: Answer[] = []
    let isOver = false
    const asking = (async () => {
      while (!isOver) beside.push(await ask('jwks', `${nodes.a.url}/jwks`))
    })()
    const answers = await Promise.all(
      herd.map((i) => refreshWith(nodes.a.url, devices[i % devices.length])),
    )
    isOver = true
    await asking
    return { answers, beside }
  }

  const log = () => nodes.a.stdout()

  /** Milliseconds that this machine takes for as many requests that wait for no store. */
  async function timeOfHerd(): Promise<number> {
    const began = performance.now()
    await Promise.all(herd.map(() => ask('jwks', `${nodes.a.url}/jwks`)))
    return performance.now() - began
  }

  /**
   * This machine may have other work: a request may be delayed on the way in and on the way out for as long as one that
   * waits for no store.
   *
   * @param before earlier result of `timeOfHerd`
   */
  async function expectBounded(
    { answers, beside }: Awaited<ReturnType<typeof stampede>>,
    before: number,
  ): Promise<void> {
    expect(slowest(beside), summary(beside)).to.be.below(mostBeside)
    const alone = Math.max(before, await timeOfHerd()) + 2 * slowest(beside)
    expect(slowest(answers), summary([...answers, ...beside])).to.be.below(bound + alone)
    const served = answers.filter(({ status }) => status === 200)
    await expectToldToRetry(
      answers.filter((answer) => !served.includes(answer)),
      log,
    )
  }

  /** Milliseconds for a round of requests, five at a time, all of which must succeed. */
  async function timeOfRound(): Promise<number> {
    const began = performance.now()
    for (const _ of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const round = await Promise.all(
        devices.slice(0, 5).map((token) => refreshWith(nodes.a.url, token)),
      )
      expect(new Set(round.map(({ status }) => status)), summary(round)).to.deep.equal(
        new Set([200]),
      )
    }
    return performance.now() - began
  }

  /** Milliseconds for an equal round of requests that wait for no store. */
  async function timeOfIdle(): Promise<number> {
    const began = performance.now()
    for (const _ of [1, 2, 3, 4, 5, 6, 7, 8]) {
      await Promise.all([1, 2, 3, 4, 5].map(() => ask('jwks', `${nodes.a.url}/jwks`)))
    }
    return performance.now() - began
  }

  /** @param before an earlier measurement @param since when the obstacle was removed */
  async function expectRate(before: Before, since: number): Promise<void> {
    const now = await eventually('requests are as fast as before', async () => {
      const times = { round: await timeOfRound(), idle: await timeOfIdle() }
      // This machine may be busier than before.
      const bearable = 3 * before.round * Math.max(1, times.idle / before.idle)
      return times.round < bearable + 200 && { ...times, bearable }
    })
    const took = performance.now() - since
    const alone = Math.max(before.herd, await timeOfHerd())
    expect(took, `a round of ${now.round} ms`).to.be.below(recovery + now.bearable + alone)
  }

  const measure = async (): Promise<Before> => ({
    round: await timeOfRound(),
    idle: await timeOfIdle(),
    herd: await timeOfHerd(),
  })

  it('are served or refused in time: 500 in parallel over a pool of 5', async () => {
    await timeOfRound()
    const before = await measure()
    const herded = await stampede()
    await expectRate(before, performance.now())
    const { answers } = herded
    expect(answers.filter(({ status }) => status === 200).length, summary(answers)).to.be.above(20)
    await expectBounded(herded, before.herd)
  })

  it('are all refused in time while every connection hangs, and served again afterwards', async () => {
    const before = await measure()
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const lock = nodes.core.database.transaction(async () => {
      await mayIdle(nodes.core.database)
      await nodes.core.database.query('lock table families in access exclusive mode')
      locked.resolve()
      await release.promise
    })
    await locked.promise
    const herded = await stampede()
    const jwks = await ask('jwks', `${nodes.a.url}/jwks`)
    release.resolve()
    await lock
    const released = performance.now()
    expect(new Set(herded.answers.map(({ status }) => status))).to.deep.equal(new Set([503]))
    expect(jwks.status).to.equal(200)
    await expectRate(before, released)
    await expectBounded(herded, before.herd)
  })

  /** A client credentials token from A, which is issued from memory. */
  const forMachine = () =>
    ask(
      'client_credentials',
      `${nodes.a.url}/token`,
      { grant_type: 'client_credentials', scope: 'orders:read', resource: api },
      { authorization: basic(machine) },
    )

  it('delay neither the news of revocations nor answers from memory (R-10)', async () => {
    const { access_token: token } = await newDevice(nodes)
    const { refresh_token: held = '' } = await newDevice(nodes)
    const isActive = async () =>
      (await introspectOn(nodes.a.url, token)).body.includes('"active":true')
    expect(await isActive()).to.equal(true)
    expect((await forMachine()).status).to.equal(200)

    const { core } = nodes
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const lock = core.database.transaction(async () => {
      await mayIdle(core.database)
      await core.database.query(
        `select 1 from families where id = (select family_id from refresh_tokens where token_hash = $1) for update`,
        [hashOf(held)],
      )
      locked.resolve()
      await release.promise
    })
    await locked.promise
    let isOver = false
    const refreshes = Array.from({ length: 12 }, async () => {
      while (!isOver) await refreshWith(nodes.a.url, held)
    })
    try {
      await eventually(
        'every connection waits for a row',
        async () => (await waitingForRows()) >= 5,
      )
      const machines: Answer[] = []
      // Longer than a process may go without reading changes.
      for (const until = performance.now() + 1200; performance.now() < until; ) {
        machines.push(await forMachine())
      }
      expect(
        machines.every(({ status }) => status === 200),
        summary(machines),
      ).to.equal(true)
      // A request that waits for a connection takes nearly two seconds, or is refused.
      const quick = machines.filter(({ took }) => took < 1000).length
      expect(quick / machines.length, summary(machines)).to.be.above(0.9)
      const revoked = await ask('introspection', `${nodes.b.url}/revoke`, { token }, asWeb)
      expect(revoked.status, revoked.body).to.equal(200)
      expect(
        await lastFailureAt('the token is inactive on A', async () => !(await isActive())),
      ).to.be.below(2000)
      await core.clients.setDisabled(defaultTenant, machine.client_id, true)
      const isServed = async () => (await forMachine()).status === 200
      expect(
        await lastFailureAt('A refuses the client', async () => !(await isServed())),
      ).to.be.below(2000)
      // Connections that were given up have been replaced.
      await eventually(
        'every connection waits for a row again',
        async () => (await waitingForRows()) >= 5,
      )
    } finally {
      isOver = true
      release.resolve()
      await lock.catch(() => undefined)
      await Promise.all(refreshes)
      await core.clients.setDisabled(defaultTenant, machine.client_id, false)
    }
  })
})
