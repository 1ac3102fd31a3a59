import { expect } from 'chai'
import { freshStorage } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { startNode } from '../support/node-process.ts'
import { servicesFound } from '../support/root-hooks.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a node whose clock is not that of Postgres (R-08)', function () {
  this.timeout(60_000)

  /** As soon as it is that: a node that has just started may lack something else. */
  async function readiness(skew: number, status: number) {
    const env = { ...(await freshStorage('services')), CLOCK_OFFSET_SECONDS: String(skew) }
    const node = await startNode({ env, waitFor: '/healthz' })
    try {
      return await eventually(`it answers ${status}`, async () => {
        const answer = await fetch(`${node.url}/readyz`)
        const body = (await answer.json()) as Record<string, unknown>
        return answer.status === status && body
      })
    } finally {
      await node.stop()
    }
  }

  it('serves with -30 seconds', async () => {
    const body = await readiness(-30, 200)
    expect(body['clock']).to.equal('ok')
  })

  it('reports itself not ready with 300 seconds', async () => {
    const body = await readiness(300, 503)
    // It is off by as much as the answer of Postgres was on its way, too.
    expect(body['clock']).to.match(/^(299|300|301) s off$/)
  })
})
