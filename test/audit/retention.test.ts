import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const tenant = 'default'
const day = 24 * 3600 * 1000

onAnyStorage('retention of audit events', (kind) => {
  let core: Core
  before(async () => {
    core = await openNode({
      ...(await freshStorage(kind)),
      AUDIT_RETENTION: 'mail.sent=10, account.data_downloaded=20 *=500',
    })
    await core.firstStart()
    await core.audit.sealEvents()
  })
  after(() => core?.close())

  /** Writes events of these ages, in days, and seals them in this order. */
  async function written(...events: Array<[type: string, days: number]>): Promise<number[]> {
    const first = (await core.audit.verify(tenant)).head.position + 1
    for (const [i, [type, days]] of events.entries()) {
      await core.database.execute(
        'insert into audit_events (tenant_id, id, at, type) values ($1, $2, $3, $4)',
        [tenant, `${first}-${i}-${Math.random()}`, new Date(core.clock.now() - days * day), type],
      )
      await core.audit.sealEvents()
    }
    return events.map((_, i) => first + i)
  }
  const kept = async (positions: number[]) => {
    const rows = await core.database.query<{ position: string }>(
      'select position::text as position from audit_events where position = any($1::bigint[]) order by 1',
      [positions],
    )
    return rows.map(({ position }) => Number(position))
  }
  const gaps = async () =>
    core.database.query(
      'select first::text as first, last::text as last from audit_gaps order by first',
    )

  it('depends on the type, and leaves a chain that verifies across the gaps', async () => {
    const [a, b, c, d, e, f] = (await written(
      ['mail.sent', 11],
      ['mail.sent', 9],
      ['account.data_downloaded', 21],
      ['account.data_downloaded', 30],
      ['account.data_downloaded', 19],
      ['client.enabled', 501],
    )) as [number, number, number, number, number, number]
    const before = await core.audit.verify(tenant)
    expect(await core.audit.sweep()).to.equal(4)
    expect(await kept([a, b, c, d, e, f])).to.deep.equal([b, e])
    const found = await core.audit.verify(tenant)
    expect(found.fault).to.equal(undefined)
    expect(found.head).to.deep.equal(before.head)
    expect(found).to.include({ verified: before.verified - 4, removed: 4 })
    const ends = (first: number, last: number) => ({ first: `${first}`, last: `${last}` })
    expect(await gaps()).to.deep.equal([ends(a, a), ends(c, d), ends(f, f)])
    expect(await core.audit.sweep()).to.equal(0)

    // Adjacent gaps are merged, once the events between them are old enough too.
    travel(2 * 24 * 3600)
    try {
      expect(await core.audit.sweep()).to.equal(2)
      expect(await gaps()).to.deep.equal([ends(a, f)])
      expect((await core.audit.verify(tenant)).fault).to.equal(undefined)
    } finally {
      backToPresent()
    }
  })

  it('never removes unsealed events', async () => {
    await core.database.execute(
      `insert into audit_events (tenant_id, id, at, type) values ($1, 'waits', $2, 'mail.sent')`,
      [tenant, new Date(core.clock.now() - 400 * day)],
    )
    expect(await core.audit.sweep()).to.equal(0)
    await core.audit.sealEvents()
    expect(await core.audit.sweep()).to.equal(1)
    expect((await core.audit.verify(tenant)).fault).to.equal(undefined)
  })

  it('keeps an event whose time was set back, and verification reports it', async () => {
    const [position = 0] = await written(['mail.sent', 1])
    await core.database.execute('alter table audit_events disable trigger user')
    await core.database.execute(
      `update audit_events set at = at - interval '30 days' where position = $1`,
      [position],
    )
    await core.database.execute('alter table audit_events enable trigger user')
    expect(await core.audit.sweep()).to.equal(0)
    expect(await kept([position])).to.deep.equal([position])
    expect((await core.audit.verify(tenant)).fault).to.include({ what: 'event_altered', position })
    await core.database.execute('alter table audit_events disable trigger user')
    await core.database.execute(
      `update audit_events set at = at + interval '30 days' where position = $1`,
      [position],
    )
    await core.database.execute('alter table audit_events enable trigger user')
    expect((await core.audit.verify(tenant)).fault).to.equal(undefined)
  })

  it('reveals a gap that was forged, widened or removed', async () => {
    const { head } = await core.audit.verify(tenant)
    const changes = {
      'update audit_gaps set last = last + 1 where first = (select max(first) from audit_gaps)':
        'gap_altered',
      'delete from audit_gaps where first = (select max(first) from audit_gaps)': 'event_missing',
      [`delete from audit_events where position = ${head.position};
        insert into audit_gaps select tenant_id, ${head.position}, ${head.position}, before, '${head.seal}', removed_at, mac
          from audit_gaps limit 1`]: 'gap_altered',
    }
    for (const [change, what] of Object.entries(changes)) {
      await core.database.unit(async (unit) => {
        await unit.open()
        await core.database.execute('alter table audit_events disable trigger user')
        for (const statement of change.split(';')) await core.database.execute(statement)
        expect((await core.audit.verify(tenant)).fault?.what, change).to.equal(what)
        // Nor does a sweep next to it repair it.
        await core.audit.sweep()
        expect((await core.audit.verify(tenant)).fault?.what, change).to.equal(what)
        return false
      })
    }
    expect((await core.audit.verify(tenant)).fault).to.equal(undefined)
  })
})
