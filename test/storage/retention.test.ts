import { expect } from 'chai'
import { sweepExpired } from '../../src/retention.ts'
import { mySweep } from '../../src/storage/sweep.ts'
import { onEachStorage } from '../support/boot.ts'
import { openedCore } from '../support/cores.ts'

onEachStorage('retention', (kind) => {
  // No server runs here, as it would sweep by itself.
  const core = openedCore(kind)

  it('finds expired rows by an index, however large a table is (C25, R-19)', async () => {
    const { database } = core
    const real = database.execute
    const statements: [string, unknown[]][] = []
    database.execute = (sql, parameters = []) => {
      const sweeps = sql.includes('skip locked')
      if (sweeps) expect(sql, 'one node at a time').to.include(mySweep)
      // There are few signing keys and process periods, whatever the traffic.
      const grows = sweeps && !/signing_keys|served_periods/.test(sql)
      if (grows) statements.push([sql, parameters])
      return real(sql, parameters)
    }
    try {
      await sweepExpired(core)
    } finally {
      database.execute = real
    }
    expect(statements.length).to.be.above(10)
    await database.transaction(async () => {
      await database.query('set local enable_seqscan = off')
      for (const [sql, parameters] of statements) {
        const plan = await database.query(`explain ${sql}`, parameters)
        const lines = plan.map((row) => String(row['QUERY PLAN']))
        expect(
          lines.filter((line) => /Seq Scan|Index Cond: .*ctid/.test(line)),
          sql,
        ).to.deep.equal([])
        expect(
          lines.some((line) => /Index Cond/.test(line)),
          `${sql}\n${lines.join('\n')}`,
        ).to.equal(true)
      }
    })
  })

  it('sweeps the other tables when one cannot be swept (C25, R-19)', async () => {
    const { database } = core
    const long = new Date(Date.now() - 500 * 24 * 3600 * 1000)
    await database.execute(
      `insert into single_use (tenant_id, kind, key, spent_at, expires_at) values ('default', 'Code', 'old', $1, $1)`,
      [long],
    )
    await database.execute(
      `insert into audit_events (tenant_id, id, at, type) values ('default', 'old', $1, 'client.enabled')`,
      [long],
    )
    await core.audit.sealEvents()
    await database.execute(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$`,
    )
    await database.execute(
      'create trigger refuse before delete on single_use for each row execute function refuse()',
    )
    const error = await sweepExpired(core).then(
      () => undefined,
      (thrown: Error) => thrown.message,
    )
    expect(error).to.contain('broken')
    const left = await database.query(`select 1 from audit_events where id = 'old'`)
    expect(left).to.deep.equal([])
    await database.execute('drop function refuse cascade')
    expect(await sweepExpired(core)).to.equal(1)
  })
})
