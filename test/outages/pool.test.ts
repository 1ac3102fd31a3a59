import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import {
  type Answer,
  ask,
  expectToldToRetry,
  newDevice,
  refreshWith,
  slowest,
  summary,
} from './load.ts'

const herd = Array.from({ length: 500 }, (_, i) => i)

/** Milliseconds: the longest that anybody waits for Postgres, and until the rate is what it was. */
const bound = 5000
const recovery = 2000

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

  /** Refreshes on one node, all at once; a token is replayed many times. */
  const stampede = () =>
    Promise.all(herd.map((i) => refreshWith(nodes.a.url, devices[i % devices.length])))

  const log = () => nodes.a.stdout()

  /** Milliseconds that this machine takes by itself for so many requests, which wait for nothing. */
  async function timeOfHerd(): Promise<number> {
    const began = performance.now()
    await Promise.all(herd.map(() => ask('jwks', `${nodes.a.url}/jwks`)))
    return performance.now() - began
  }

  async function expectBounded(answers: Answer[]): Promise<void> {
    expect(slowest(answers), summary(answers)).to.be.below(bound + (await timeOfHerd()))
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

  /** @param before as `timeOfRound` was @param since when nothing is in the way any more */
  async function expectRate(before: number, since: number): Promise<void> {
    await eventually(
      'the rate is what it was',
      async () => (await timeOfRound()) < 3 * before + 200,
    )
    expect(performance.now() - since).to.be.below(recovery + 3 * before + (await timeOfHerd()))
  }

  it('are served, or refused in time, 500 at once over a pool of 5', async () => {
    await timeOfRound()
    const before = await timeOfRound()
    const answers = await stampede()
    await expectBounded(answers)
    expect(answers.filter(({ status }) => status === 200).length, summary(answers)).to.be.above(20)
    await expectRate(before, performance.now())
  })

  it('are all refused in time while every connection hangs, and served again afterwards', async () => {
    const before = await timeOfRound()
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const lock = nodes.core.database.transaction(async () => {
      await nodes.core.database.query('lock table families in access exclusive mode')
      locked.resolve()
      await release.promise
    })
    await locked.promise
    const answers = await stampede()
    const jwks = await ask('jwks', `${nodes.a.url}/jwks`)
    release.resolve()
    await lock
    const released = performance.now()
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([503]))
    await expectBounded(answers)
    expect(jwks.status).to.equal(200)

    await expectRate(before, released)
  })
})
