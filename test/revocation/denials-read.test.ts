import { expect } from 'chai'
import { createClockWatch } from '../../src/clock-watch.ts'
import type { Core } from '../../src/core.ts'
import { createDenials, type DenialKind } from '../../src/denials/denials.ts'
import { createPoll } from '../../src/storage/poll.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { openedCore } from '../support/cores.ts'

describe('a deny-list that is loaded in pages', () => {
  const core = openedCore('embedded')
  before(() => core.tenants.create({ id: 'acme', name: 'Acme' }))

  type Key = [tenant: string, kind: DenialKind, subject: string]

  /** @param lifetime in seconds */
  async function write([tenant, kind, subject]: Key, lifetime = 600): Promise<void> {
    const now = core.clock.now()
    await core.database.execute(
      `insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at)
       values ($1, $2, $3, 'infinity', $4, $5)`,
      [tenant, kind, subject, new Date(now), new Date(now + lifetime * 1000)],
    )
  }

  it('is complete across kinds and tenants, including entries written meanwhile', async () => {
    // In the order of the key, but with descending subjects: paging fails unless it compares the whole key.
    const there: Key[] = [
      ['acme', 'account', 'z'],
      ['acme', 'session', 'y'],
      [defaultTenant, 'account', 'x'],
      [defaultTenant, 'family', 'w'],
      [defaultTenant, 'grant', 'v'],
    ]
    const meanwhile: Key[] = [
      ['acme', 'client', 'behind'],
      [defaultTenant, 'jti', 'ahead'],
    ]
    for (const key of there) await write(key)
    await write([defaultTenant, 'account', 'expires'], 30)

    let passed = 0
    const clock = { ...core.clock, now: () => core.clock.now() + passed }
    let pages = 0
    const database: Core['database'] = {
      ...core.database,
      async queryPrimary<Row>(sql: string, parameters?: unknown[]) {
        const rows = await core.database.queryPrimary<Row>(sql, parameters)
        if (sql.endsWith('limit 2') && ++pages === 2) {
          for (const key of meanwhile) await write(key)
          passed = 45_000
        }
        return rows
      },
    }
    const { log, metrics } = core
    const poll = createPoll({
      notifications: core.storage.notifications,
      clock,
      clockWatch: createClockWatch({ clock, log }),
      log,
    })
    const denials = createDenials({
      ...{ database, clock, log, metrics, poll },
      maxStaleness: 60,
      pageSize: 2,
    })
    await denials.start()
    try {
      expect(pages).to.equal(4)
      for (const [tenant, kind, subject] of [...there, ...meanwhile]) {
        expect(denials.anyDenies(tenant, [{ kind, subject }], 0), `${kind} ${subject}`).to.equal(
          true,
        )
      }
      expect(denials.arrived(), 'without an entry that has expired meanwhile').to.equal(7)
    } finally {
      denials.stop()
    }
  })
})
