import { expect } from 'chai'
import { SingleUseTable } from '../../src/single-use/single-use.ts'
import { sweepBatch, sweepLock, sweepTable } from '../../src/storage/sweep.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { type Nodes, openedNodes } from '../support/cores.ts'
import { countingTrips } from '../support/trips.ts'

onAnyStorage('sweeping expired rows (C25, R-19)', (kind) => {
  const rows = 5 * sweepBatch
  const nodes = openedNodes(kind)
  beforeEach(async () => {
    await nodes.a.database.execute(
      `insert into single_use (tenant_id, kind, key, spent_at, expires_at)
       select 'default', 'test', i::text, now(), now() - interval '1 h' from generate_series(1, ${rows}) i
       on conflict do nothing`,
    )
  })

  const sweep = ({ database }: Nodes['a']) =>
    sweepTable(database, SingleUseTable, 'expires_at < $1', Date.now())
  async function left(): Promise<number> {
    const query = `select count(*)::int as count from single_use where kind = 'test'`
    const [row] = await nodes.a.database.query<{ count: number }>(query)
    return row?.count as number
  }

  it('happens once, however many nodes start at the same moment', async () => {
    const swept = await Promise.all([nodes.a, nodes.b, nodes.a, nodes.b].map(sweep))
    expect(swept.reduce((sum, each) => sum + each)).to.equal(rows)
    expect(await left()).to.equal(0)
  })

  it('sends one statement for a table without expired rows', async () => {
    await sweep(nodes.a)
    const { statements } = await countingTrips(nodes.a.database, () => sweep(nodes.a))
    expect(statements).to.have.length(1)
  })

  it('continues where a node stopped halfway', async () => {
    await nodes.a.database.execute(
      `delete from single_use where kind = 'test' and key::int <= ${sweepBatch + 1}`,
    )
    expect(await sweep(nodes.b)).to.equal(rows - sweepBatch - 1)
  })

  if (kind === 'services') {
    it('is left to the node that holds the lock', async () => {
      await nodes.a.database.transaction(async () => {
        await nodes.a.database.query('select pg_advisory_xact_lock($1)', [sweepLock])
        expect(await sweep(nodes.b)).to.equal(0)
      })
      expect(await left()).to.equal(rows)
      expect(await sweep(nodes.b)).to.equal(rows)
    })
  }
})
