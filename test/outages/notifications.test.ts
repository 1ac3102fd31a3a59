import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import { ask, asWeb, introspectOn, newDevice } from './load.ts'

const rounds = [1, 2, 3, 4, 5]

const suite = servicesFound() ? describe : describe.skip
suite('a revocation on one node (architecture §7)', function () {
  this.timeout(60_000)
  let nodes: TwoNodes

  before(async () => {
    nodes = await startTwoNodes()
    await furnish({ core: nodes.core })
  })
  after(() => nodes?.stop())

  const listeners = async (work = 'pid') => {
    const rows = await (services() as Services).admin(
      `select pid, ${work} from pg_stat_activity where application_name = 'keyturn listener'`,
    )
    return rows.map(({ pid }) => pid)
  }

  /** Milliseconds from A's answer to the last request that B still accepted. */
  async function reach(prepare: () => Promise<unknown>): Promise<number> {
    const { access_token: token } = await newDevice(nodes)
    expect((await introspectOn(nodes.b.url, token)).body).to.contain('"active":true')
    await prepare()
    const revoked = await ask('introspection', `${nodes.a.url}/revoke`, { token }, asWeb)
    expect(revoked.status, revoked.body).to.equal(200)
    const began = performance.now()
    let last = 0
    await eventually(
      'the token is inactive on B',
      async () => {
        const asked = await introspectOn(nodes.b.url, token)
        if (asked.body === '{"active":false}') return true
        last = asked.began - began
        return false
      },
      { every: 5 },
    )
    return last
  }

  it('takes effect on the other node at once, by notification', async () => {
    const times: number[] = []
    for (const _ of rounds) times.push(await reach(async () => undefined))
    const [, , median] = times.toSorted((a, b) => a - b)
    expect(median, times.join(' ms, ')).to.be.below(100)
    expect(Math.max(...times)).to.be.below(1000)
  })

  it('takes effect within a second when all listeners were terminated, by polling (R-10)', async () => {
    for (const _ of rounds) {
      let ended: unknown[] = []
      const time = await reach(async () => {
        ended = await listeners('pg_terminate_backend(pid)')
        expect(ended).not.to.be.empty
      })
      expect(time).to.be.below(1000)
      // Terminated backends stay in pg_stat_activity until they are scheduled.
      await eventually('both listeners are connected again', async () => {
        const others = (await listeners()).filter((pid) => !ended.includes(pid))
        return others.length === 2
      })
    }
    const after = await reach(async () => undefined)
    expect(after, 'notified again').to.be.below(500)
    for (const { pid } of [nodes.a, nodes.b]) expect(process.kill(pid, 0)).to.equal(true)
  })
})
