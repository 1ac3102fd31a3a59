import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { furnish, web } from '../support/fixtures.ts'
import { startNode } from '../support/node-process.ts'
import { codeFor, expectRefusal, redeem, tokensIn } from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import { secretsIn } from '../support/witness.ts'
import {
  expectToldToRetry,
  introspectOn,
  type Load,
  loginOn,
  median,
  newDevice,
  published,
  refreshWith,
  serverAt,
  slowest,
  startLoad,
  succeeded,
  summary,
  withoutRedis,
} from './load.ts'

/** Milliseconds of the outage. */
const outage = 2500
/** Milliseconds after which requests that do not need Redis must be unaffected. */
const grace = 300

const suite = servicesFound() ? describe : describe.skip
suite('Redis failing under load (R-03)', function () {
  this.timeout(60_000)
  let nodes: TwoNodes
  let load: Load
  const redis = () => (services() as Services).redis
  const server = () => serverAt(nodes.issuer)
  const logs = () => nodes.a.stdout() + nodes.b.stdout()

  before(async () => {
    nodes = await startTwoNodes()
    await furnish({ core: nodes.core })
  })
  beforeEach(async () => {
    load = await startLoad(nodes)
    await eventually('every kind of request is answered', () =>
      [...withoutRedis, 'login' as const].every((kind) => load.of([kind]).length > 5),
    )
  })
  afterEach(async () => {
    await load?.stop()
    redis().resume()
    await redis().start()
  })
  after(async () => {
    const logged = nodes && logs()
    await nodes?.stop()
    expect(secretsIn(logged ?? ''), 'secrets logged (C19)').to.deep.equal([])
  })

  async function readiness(): Promise<object[]> {
    return Promise.all(
      [nodes.a, nodes.b].map(async ({ url }) => {
        const answer = await fetch(`${url}/readyz`)
        return { code: answer.status, ...((await answer.json()) as object) }
      }),
    )
  }

  /** Everything but logins works, no revocation is undone, and no request hangs. */
  async function expectUntouched(from: number): Promise<void> {
    await load.stop()
    const answers = load.of(withoutRedis)
    const failed = answers.filter((answer) => !succeeded(answer))
    expect(failed, summary(failed)).to.have.length(0)
    const alone = load.ownDelay()
    expect(median(load.of(published)), 'requests that need neither Redis nor Postgres').to.be.below(
      300,
    )
    expect(slowest(load.answers), summary(load.answers)).to.be.below(1500 + alone)
    expect(load.of(withoutRedis, from + grace).length, 'answers').to.be.above(20)
    await load.expectNothingLost()
  }

  for (const [how, { fail, recover }] of Object.entries({
    'stopped, and comes back empty': {
      fail: () => redis().stop('SIGKILL'),
      recover: () => redis().start(),
    },
    frozen: {
      fail: async () => redis().pause(),
      recover: async () => redis().resume(),
    },
  })) {
    it(`fails only logins while it is ${how}`, async () => {
      await fail()
      const from = performance.now()
      await pause(outage)
      expect(await readiness()).to.deep.equal(
        [1, 2].map(() => ({
          code: 200,
          status: 'ready',
          storage: 'ok',
          short_lived: 'does not answer, or does not keep data',
          clock: 'ok',
          signing_keys: 'ok',
          key_encryption_key: 'ok',
        })),
      )
      const to = performance.now()
      const back = recover().then(() => performance.now())
      const work = async () => {
        const again = await Promise.all([nodes.a, nodes.b].map(({ url }) => loginOn(nodes, url)))
        return again.every(succeeded)
      }
      const latest = await lastFailureAt('logins work on both nodes', work, { since: to })
      const recovery = to + latest - (await back)
      const refused = load.of(['login'], from, to - grace)
      await expectUntouched(from)

      expect(refused.length).to.be.above(10)
      await expectToldToRetry(refused, logs)
      const alone = load.of(published, from, to)
      expect(slowest(refused), summary(refused)).to.be.below(300 + load.ownDelay())
      // By then the client has closed the connection (`socketTimeout`), and refuses commands at once.
      const late = load.of(['login'], from + 1400, to - grace)
      expect(late.length).to.be.above(3)
      expect(median(alone), summary(alone)).to.be.below(300)
      expect(median(late), summary(late)).to.be.below(100 + median(alone))
      expect(recovery).to.be.below(2000)
    })
  }

  it('lets nodes and replaced workers start without it, and they report that it is missing', async () => {
    await load.stop()
    const { refresh_token } = await newDevice(nodes)
    await redis().stop('SIGKILL')
    const late = await startNode({ env: { ...nodes.env, WORKERS: '2' } })
    try {
      const pids = () =>
        [...late.stdout().matchAll(/"pid":(\d+),"place":\d+,"msg":"worker listens"/g)].map(
          ([, pid]) => Number(pid),
        )
      await eventually('both workers listen', () => pids().length === 2)
      process.kill(pids()[0] as number, 'SIGKILL')
      await eventually('another worker listens', () => pids().length === 3)
      expect(late.stdout()).to.include('started without Redis')
      const answer = await fetch(`${late.url}/readyz`)
      expect(answer.status).to.equal(200)
      expect(await answer.json()).to.include({
        storage: 'ok',
        short_lived: 'does not answer, or does not keep data',
      })
      const refreshed = await refreshWith(late.url, refresh_token)
      expect(refreshed.status, refreshed.body).to.equal(200)
      expect((await loginOn(nodes, late.url)).status).to.equal(503)
      await redis().start()
      await eventually('logins work on all three nodes', async () => {
        const urls = [late, nodes.a, nodes.b].map(({ url }) => url)
        return (await Promise.all(urls.map((url) => loginOn(nodes, url)))).every(succeeded)
      })
    } finally {
      await late.stop()
    }
    expect(secretsIn(late.stdout()), 'secrets logged (C19)').to.deep.equal([])
  })

  it('fails only logins in progress when it is flushed', async () => {
    const from = performance.now()
    await redis().flush()
    await pause(1000)
    await expectUntouched(from)
    const logins = load.of(['login'], from)
    expect(logins.every(succeeded), summary(logins)).to.equal(true)
  })

  it('cannot bring back a used code or a revoked token when it is flushed and rolled back (R-18)', async () => {
    const code = await codeFor(server(), web, { scope: 'openid offline_access' })
    const client = new Redis(nodes.env['REDIS_URL'] as string)
    const snapshot: Array<[string, string]> = []
    for (const key of await client.keys('*AuthorizationCode*')) {
      snapshot.push([key, (await client.get(key)) ?? ''])
    }
    expect(snapshot.length).to.be.above(0)
    const tokens = tokensIn(await redeem(server(), web, code))
    await redis().flush()
    expectRefusal(await redeem(server(), web, code), 400, 'invalid_grant')

    for (const [key, value] of snapshot) await client.set(key, value, 'EX', 60)
    client.disconnect()
    expectRefusal(await redeem(server(), web, code), 400, 'invalid_grant')
    // The restored code was used a second time, so every node revokes what the first use got.
    const latest = await lastFailureAt('the token is inactive on both nodes', async () => {
      const states = await Promise.all(
        [nodes.a, nodes.b].map(({ url }) => introspectOn(url, tokens.access_token)),
      )
      return states.every(({ body }) => body === '{"active":false}')
    })
    expect(latest).to.be.below(1000)
    await redis().flush()
    expect((await refreshWith(nodes.b.url, tokens.refresh_token)).status).to.equal(400)
    expect((await introspectOn(nodes.b.url, tokens.access_token)).body).to.equal('{"active":false}')
  })
})
