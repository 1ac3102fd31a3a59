import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { serverAt } from '../outages/load.ts'
import type { TestServer } from '../support/boot.ts'
import { type Child, startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { api, ordersApi } from '../support/fixtures.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import type { ApiSettings } from './api.ts'
import { declareApi, type Held, hold, revocations } from './revocations.ts'

/** Milliseconds after the response to a revocation. */
const bounds = { '/poll': 2000, '/stream': 500 } as const
type Route = keyof typeof bounds

const suite = servicesFound() ? describe : describe.skip
suite('revocation at one node, for an API in another process that reads the feed of another node', () => {
  let nodes: TwoNodes
  let a: TestServer
  let process: Child
  let address: string
  let restarted: NodeProcess | undefined

  before(async () => {
    nodes = await startTwoNodes()
    a = serverAt(nodes.a.url)
    await declareApi(nodes.core)
    const settings: ApiSettings = {
      issuer: nodes.issuer,
      node: nodes.b.url,
      audience: api,
      clientId: ordersApi.client_id,
      clientSecret: ordersApi.client_secret,
    }
    const program = fileURLToPath(new URL('./api.ts', import.meta.url))
    const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
    process = await startChild(node, [program, JSON.stringify(settings)], {})
    address = await eventually('the API is ready', () => process.stdout().trim() || undefined)
  })
  after(async () => {
    await process?.stop()
    await restarted?.stop()
    await nodes?.stop()
  })

  async function ask(route: Route, token: string): Promise<number> {
    const answer = await fetch(address + route, { headers: { Authorization: `Bearer ${token}` } })
    await answer.arrayBuffer()
    return answer.status
  }
  async function requests(): Promise<number> {
    const status = (await (await fetch(`${address}/status`)).json()) as Record<
      Route,
      { requests: number }
    >
    return status['/poll'].requests + status['/stream'].requests
  }

  /** Milliseconds until the last request that was accepted; how long a busy machine takes to answer does not count. */
  async function refusedAfter(route: Route, token: string, since: number): Promise<number> {
    let latest = 0
    while (latest < bounds[route]) {
      const asked = performance.now() - since
      if ((await ask(route, token)) === 401) return latest
      latest = asked
    }
    return Infinity
  }

  const holdOne = () => hold(nodes.core, a)
  const revokeFamily = (held: Held) => revocations['a family']?.(nodes.core, a, held)

  for (const [what, end] of Object.entries(revocations)) {
    it(`${what}: takes effect within 2 s by polling, within 500 ms by stream (C4, ASVS 7.4.2)`, async function () {
      const held = await holdOne()
      const { access_token: token } = held.tokens
      expect([await ask('/poll', token), await ask('/stream', token)]).to.deep.equal([200, 200])
      await end(nodes.core, a, held)
      const since = performance.now()
      const [poll, stream] = await Promise.all([
        refusedAfter('/poll', token, since),
        refusedAfter('/stream', token, since),
      ])
      if (this.test) this.test.title += `: ${Math.round(poll)} ms, ${Math.round(stream)} ms`
      expect(poll, 'poll').to.be.below(bounds['/poll'])
      expect(stream, 'stream').to.be.below(bounds['/stream'])
    })
  }

  it('requires no request to the issuer per verification', async () => {
    const { tokens } = await holdOne()
    await ask('/stream', tokens.access_token)
    const [before, startedAt] = [await requests(), performance.now()]
    for (let i = 0; i < 300; i++) expect(await ask('/stream', tokens.access_token)).to.equal(200)
    const polls = (performance.now() - startedAt) / 1000 + 2
    expect((await requests()) - before).to.be.at.most(polls)
  })

  it('survives a Redis flush, and so do later revocations', async () => {
    const [one, other] = [await holdOne(), await holdOne()]
    await revokeFamily(one)
    await services()?.redis.flush()
    const since = performance.now()
    expect(await refusedAfter('/poll', one.tokens.access_token, since)).to.be.below(2000)
    await revokeFamily(other)
    const later = performance.now()
    expect(await refusedAfter('/stream', other.tokens.access_token, later)).to.be.below(500)
    expect(await refusedAfter('/poll', other.tokens.access_token, later)).to.be.below(2000)
  })

  it('survives a restart of the node that is read: good tokens stay accepted, revoked ones refused', async () => {
    const [one, other, good] = [await holdOne(), await holdOne(), await holdOne()]
    await revokeFamily(one)
    await eventually(
      'the token is refused',
      async () => (await ask('/poll', one.tokens.access_token)) === 401,
    )
    const { url } = nodes.b
    await nodes.b.stop('SIGKILL')
    // Nothing is read now; the known entries stay in force.
    for (const route of ['/poll', '/stream'] as const) {
      expect(await ask(route, one.tokens.access_token)).to.equal(401)
      expect(await ask(route, good.tokens.access_token)).to.equal(200)
    }
    await revokeFamily(other)
    restarted = await startNode({ env: { ...nodes.env, PORT: new URL(url).port } })
    for (const route of ['/poll', '/stream'] as const) {
      const token = other.tokens.access_token
      await eventually(`${route} refuses the token`, async () => (await ask(route, token)) === 401)
      expect(await ask(route, good.tokens.access_token)).to.equal(200)
    }
  })
})
