import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, spa } from '../support/fixtures.ts'
import { refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import { secretsIn } from '../support/witness.ts'
import {
  ask,
  expectToldToRetry,
  type Kind,
  type Load,
  median,
  published,
  serverAt,
  slowest,
  startLoad,
  succeeded,
  summary,
} from './load.ts'

/** Milliseconds of the outage. */
const outage = 4000
/** Milliseconds: the longest wait of any request, and the longest until everything works again. */
const bound = 5000
/** Milliseconds until nothing is answered from earlier reads: caches and the deny-list last 1 s each. */
const memory = 1500

const suite = servicesFound() ? describe : describe.skip
suite('Postgres failing under load (R-04)', function () {
  this.timeout(60_000)
  let nodes: TwoNodes
  let load: Load
  const postgres = () => (services() as Services).postgres
  const both = () => [nodes.a, nodes.b]
  const logs = () => nodes.a.stdout() + nodes.b.stdout()

  before(async () => {
    nodes = await startTwoNodes({ DENYLIST_MAX_STALENESS: '1' })
    await furnish({ core: nodes.core })
  })
  afterEach(async () => {
    await load?.stop()
    const fatal = logs()
      .split('\n')
      .filter((line) => line.includes('"level":"fatal"'))
    expect(fatal, 'fatal log lines').to.deep.equal([])
    postgres().resume()
    await postgres().start()
  })
  after(async () => {
    const logged = nodes && logs()
    await nodes?.stop()
    expect(secretsIn(logged ?? ''), 'secrets logged (C19)').to.deep.equal([])
  })

  const needing: readonly Kind[] = ['refresh', 'introspection', 'login', 'userinfo']
  const all: readonly Kind[] = [
    ...published,
    ...needing,
    'client_credentials',
    'introspection of a revoked token',
  ]

  /** Open files and sockets. */
  const handles = () => both().map(({ pid }) => readdirSync(`/proc/${pid}/fd`).length)

  const bothReady = () =>
    eventually(
      'both nodes are ready',
      async () => {
        const answers = await Promise.all(both().map(({ url }) => fetch(`${url}/readyz`)))
        return answers.every(({ ok }) => ok)
      },
      { within: bound },
    )

  async function connections(): Promise<number> {
    const [row] = await (services() as Services).admin(
      `select count(*) as n from pg_stat_activity where application_name like 'keyturn%'`,
    )
    return Number(row?.['n'])
  }

  for (const [how, { fail, recover }] of Object.entries({
    stopped: { fail: () => postgres().stop('SIGINT'), recover: () => postgres().start() },
    killed: { fail: () => postgres().stop('SIGKILL'), recover: () => postgres().start() },
    frozen: {
      fail: async () => postgres().pause(),
      recover: async () => postgres().resume(),
    },
  })) {
    it(`loses no acknowledged write and leaves no request hanging while it is ${how}`, async () => {
      load = await startLoad(nodes)
      await eventually('every kind of request is answered', () =>
        all.every((kind) => load.of([kind]).length > 5),
      )
      const handlesBefore = handles()
      const failing = fail()
      const from = performance.now()
      await failing
      await pause(memory)
      const asked = load.probe(needing)
      const probes = await Promise.all(both().map(({ url }) => ask('jwks', `${url}/readyz`)))
      const refused = await asked
      // The keys of an issuer that were not read before are only in Postgres.
      refused.push(await ask('jwks', `${nodes.a.url}/t/another/jwks`))
      await pause(Math.max(0, from + outage - performance.now()))
      const ending = performance.now()
      await recover()
      const back = performance.now()
      await bothReady()
      await pause(Math.max(0, back + bound - performance.now()) / 2)
      await load.stop()

      const failed = load.answers.filter((answer) => !succeeded(answer))
      const last = Math.max(...failed.map(({ began }) => began))
      const alone = load.ownDelay()
      expect(slowest(load.answers), summary(load.answers)).to.be.below(bound + 300 + alone)
      expect(last, summary(failed)).to.be.below(back + bound / 2 + alone)
      expect(load.of(all, last + 1).length, 'answers').to.be.above(20)

      // Keys and metadata are served from memory.
      const seen = load.of(published)
      expect(seen.every(succeeded), summary(seen)).to.equal(true)
      const meanwhile = load.of(published, from, back)
      expect(meanwhile.length, 'answers').to.be.above(20)
      expect(median(meanwhile)).to.be.below(500)

      // Requests that need Postgres get 503, and no token state is answered that cannot be known.
      for (const { status, took } of probes) {
        expect(status, 'readiness').to.equal(503)
        expect(took).to.be.below(1900 + alone)
      }
      await expectToldToRetry(refused, logs)
      expect(slowest(refused), summary(refused)).to.be.below(bound + alone)
      const away = load
        .of(needing, from + memory)
        .filter(({ began, took }) => began + took < ending)
      expect(away.length).to.be.above(5)
      await expectToldToRetry(away, logs)
      const wrong = load.answers.filter(
        ({ kind, body }) =>
          kind === 'introspection of a revoked token' && /"active":true/.test(body),
      )
      expect(wrong).to.have.length(0)

      await load.expectNothingLost()
      // Connections that were given up may still be closing.
      await eventually('few files and sockets are open', () =>
        handles().every((count, i) => count < (handlesBefore[i] as number) + 15),
      )
      // Two pools of ten, two listeners, and the pool of the test.
      const most = 10 + 10 + 2 + 10
      await eventually('few connections are open', async () => (await connections()) <= most)
    })
  }

  it('extends the replay window by the outage for a client that lost the answer (ADR 0008)', async () => {
    const brief = { ...spa, client_id: 'brief', refresh_replay_window: 5 }
    await nodes.core.clients.declare(defaultTenant, brief)
    const [on, elsewhere] = [serverAt(nodes.a.url), serverAt(nodes.b.url)]
    const first = await tokensFor(on, brief, { scope: 'openid offline_access' })
    const lost = tokensIn(await refresh(on, brief, first))
    await postgres().stop('SIGKILL')
    await pause(6000)
    await postgres().start()
    // The window resumes with the first node that is back, whichever it is.
    const retry = await eventually('a node answers the refresh', async () => {
      const pages = await Promise.all(
        [elsewhere, on].map((server) => refresh(server, brief, first)),
      )
      return pages.find(({ status }) => status !== 503)
    })
    expect(tokensIn(retry).refresh_token).to.equal(lost.refresh_token)
    await bothReady()
    tokensIn(await refresh(on, brief, lost))
  })

  it('loses nothing while every connection is terminated again and again', async () => {
    load = await startLoad(nodes)
    await eventually('every kind of request is answered', () =>
      all.every((kind) => load.of([kind]).length > 5),
    )
    for (let round = 0; round < 40; round++) {
      await (services() as Services).admin(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'keyturn%'`,
      )
      await pause(50)
    }
    const over = performance.now()
    await pause(1000)
    await load.stop()
    const failed = load.answers.filter((answer) => !succeeded(answer))
    await expectToldToRetry(failed, logs)
    const alone = load.ownDelay()
    expect(slowest(load.answers), summary(load.answers)).to.be.below(bound + alone)
    const late = failed.filter(({ began }) => began > over + 500)
    expect(late, summary(late)).to.have.length(0)
    await load.expectNothingLost()
  })
})
