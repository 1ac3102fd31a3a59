import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { hashOf } from '../../src/secrets/handle.ts'
import { serverAt } from '../outages/load.ts'
import { lastFailureAt } from '../support/eventually.ts'
import { furnish, spa, web } from '../support/fixtures.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import { introspect, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startNodeBeside } from '../support/two-nodes.ts'

/** Seconds; the replay window is 30. */
const later = 40

const suite = servicesFound() ? describe : describe.skip
suite('reuse of a refresh token after the replay window', function () {
  this.timeout(60_000)
  let nodes: NodePair
  const laterNodes: NodeProcess[] = []
  before(async () => {
    nodes = await startNodeBeside()
    await furnish({ core: nodes.core })
  })
  after(async () => {
    await Promise.all(laterNodes.map((node) => node.stop()))
    await nodes?.stop()
  })

  /** Moves the database clock, which nodes follow, and starts two more nodes with the same offset. */
  async function startLater(): Promise<void> {
    const { database } = nodes.core
    await database.query(
      `create function public.clock_timestamp() returns timestamptz language sql volatile
       as $$ select pg_catalog.clock_timestamp() + interval '${later} s' $$`,
    )
    const [row] = await database.query<{ name: string }>('select current_database() as name')
    await database.query(`alter database ${row?.name} set search_path = public, pg_catalog`)
    const env = { ...nodes.env, CLOCK_OFFSET_SECONDS: String(later) }
    laterNodes.push(...(await Promise.all([startNode({ env }), startNode({ env })])))
    // The first two nodes served the whole period.
    await database.query(`update served_periods set until = until + interval '${later} s'`)
  }

  it('is answered with 503 when a paused node reads the request late (ADR 0008)', async () => {
    const { a, b, core } = nodes
    const brief = { ...spa, client_id: 'brief', refresh_replay_window: 4 }
    await core.clients.declare('default', brief)
    const first = await tokensFor(serverAt(b.url), brief, { scope: 'openid offline_access' })
    a.signal('SIGSTOP')
    const waiting = refresh(serverAt(a.url), brief, first)
    const second = tokensIn(await refresh(serverAt(b.url), brief, first))
    await pause(6500)
    a.signal('SIGCONT')
    const late = await waiting
    expect(late.status, late.body).to.equal(503)
    expect(late.headers.get('retry-after')).to.match(/^\d+$/)
    const third = tokensIn(await refresh(serverAt(b.url), brief, second))
    const again = await refresh(serverAt(b.url), brief, first)
    expect(again.status, 'at the node that kept running').to.equal(400)
    expect((await refresh(serverAt(a.url), brief, third)).status).to.equal(400)
  })

  it('revokes the family on every node: 20 parallel reuses all fail and are audited once (C26, R-07)', async () => {
    const { a, b, core } = nodes
    const first = await tokensFor(serverAt(a.url), web, { scope: 'openid offline_access' })
    const second = tokensIn(await refresh(serverAt(b.url), web, first))
    const again = tokensIn(await refresh(serverAt(a.url), web, first))
    expect(again.refresh_token, 'within the window').to.equal(second.refresh_token)
    const stored = await core.families.find('default', hashOf(second.refresh_token as string))
    const family = stored?.familyId as string

    await startLater()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const node = laterNodes[i % laterNodes.length] as NodeProcess
        return refresh(serverAt(node.url), web, first)
      }),
    )
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 400))

    const since = performance.now()
    for (const node of [a, b, ...laterNodes]) {
      const server = serverAt(node.url)
      expect((await refresh(server, web, second)).status, 'the successor').to.equal(400)
      const isVoid = async () =>
        !(await introspect(server, web, second.access_token))['active'] &&
        !(await introspect(server, web, first.access_token))['active']
      expect(
        await lastFailureAt('the access tokens of the family are inactive', isVoid, { since }),
      ).to.be.below(1000)
    }
    const events = await core.audit.ofFamily('default', family)
    const relevant = events.filter(
      ({ type }) => !['family.replayed', 'token.issued'].includes(type),
    )
    expect(relevant.map(({ type }) => type)).to.have.members(['family.reuse', 'family.ended'])
    const reuse = relevant.find(({ type }) => type === 'family.reuse')
    expect(reuse?.detail).to.include({ verdict: 'race' })
    expect(reuse?.detail?.['seconds_after_first_use']).to.be.within(later, later + 30)
  })
})
