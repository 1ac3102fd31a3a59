import { expect } from 'chai'
import { freshStorage } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { startNode } from '../support/node-process.ts'
import { servicesFound } from '../support/root-hooks.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a node whose clock is not that of Postgres (R-08)', function () {
  this.timeout(60_000)

  async function readiness(skew: number) {
    const env = { ...(await freshStorage('services')), CLOCK_OFFSET_SECONDS: String(skew) }
    const node = await startNode({ env, waitFor: '/healthz' })
    try {
      return await eventually('an answer', async () => {
        const answer = await fetch(`${node.url}/readyz`)
        return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
      })
    } finally {
      await node.stop()
    }
  }

  it('serves with -30 seconds', async () => {
    const { status, body } = await readiness(-30)
    expect({ status, clock: body['clock'] }).to.deep.equal({ status: 200, clock: 'ok' })
  })

  it('reports itself not ready with 300 seconds', async () => {
    const { status, body } = await readiness(300)
    expect(status).to.equal(503)
    // It is off by as much as the answer of Postgres was on its way, too.
    expect(body['clock']).to.match(/^(299|300|301) s off$/)
  })
})
