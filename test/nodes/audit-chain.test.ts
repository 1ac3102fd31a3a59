import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { mayIdle, waitingForRows } from '../outages/load.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, openNodes } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { startNode } from '../support/node-process.ts'
import { servicesFound } from '../support/root-hooks.ts'

const tenant = 'default'
const many = 3000

async function positions({ database }: Pick<Core, 'database'>) {
  const [row] = await database.query<{ count: string; last: string; waiting: string }>(
    `select count(position)::text as count, coalesce(max(position), 0)::text as last,
       (count(*) filter (where position is null))::text as waiting from audit_events where tenant_id = $1`,
    [tenant],
  )
  return { count: Number(row?.count), last: Number(row?.last), waiting: Number(row?.waiting) }
}

const suite = servicesFound() ? describe : describe.skip
suite('the audit chain on two nodes (ASVS 16.4.2, R-21)', function () {
  this.timeout(90_000)

  it('contains every event once while both nodes write and seal, and commits are out of order', async () => {
    const nodes = await openNodes('services')
    try {
      let writing = true
      const sealers = [nodes.a, nodes.b].map(async ({ audit }) => {
        while (writing) await audit.sealEvents()
      })
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        const { audit, database } = writer % 2 ? nodes.a : nodes.b
        for (let i = 0; i < 25; i++) {
          await database.transaction(async () => {
            const accountId = `${writer}-${i}`
            await audit.record(tenant, { type: 'account.data_downloaded', accountId })
            // Transactions may commit in another order than they began.
            await database.query('select pg_sleep($1)', [((writer * 7 + i) % 5) / 200])
          })
        }
      })
      await Promise.all(writers)
      writing = false
      await Promise.all(sealers)
      await nodes.a.audit.sealEvents()
      const { count, last, waiting } = await positions(nodes.a)
      expect(waiting).to.equal(0)
      expect(count).to.equal(last)
      expect(count).to.be.least(200)
      const found = await nodes.b.audit.verify(tenant)
      expect(found.fault).to.equal(undefined)
      expect(found.verified).to.equal(count)
    } finally {
      await nodes.close()
    }
  })

  it('stays intact when a node is killed while it seals, and the other node continues it', async () => {
    const env = await freshStorage('services')
    const other = await openNode(env)
    const node = await startNode({ env })
    try {
      node.signal('SIGSTOP')
      const { database } = other
      await database.execute(
        `insert into audit_events (tenant_id, id, at, type, account_id)
         select 'default', 'event-' || i, now() + i * interval '1 microsecond', 'account.signed_in', 'a'
         from generate_series(1, ${many}) i`,
      )
      // A batch waits for this row halfway, however fast the other batches are.
      await database.transaction(async () => {
        await mayIdle(database)
        await database.query(`select 1 from audit_events where id = 'event-${many / 2}' for update`)
        node.signal('SIGCONT')
        await eventually('the node waits for the row', async () => (await waitingForRows()) > 0)
        await node.stop('SIGKILL')
      })
      const cut = await positions(other)
      expect(cut.waiting).to.be.above(many / 2 - 1)
      expect(cut.count).to.equal(cut.last).and.be.above(500)
      const half = await other.audit.verify(tenant)
      expect(half.fault).to.equal(undefined)
      expect(half.head.position).to.equal(cut.last)

      // Postgres may not have noticed yet that the dead node, which holds the chain lock, is gone.
      await eventually('the other node seals the remaining events', async () => {
        await other.audit.sealEvents()
        return (await positions(other)).waiting === 0
      })
      const whole = await other.audit.verify(tenant)
      expect(whole.fault).to.equal(undefined)
      expect(whole.verified).to.be.least(many)
      expect((await other.audit.verify(tenant, half.head)).fault).to.equal(undefined)
    } finally {
      await node.stop()
      await other.close()
    }
  })
})
