import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { countRows } from '../../src/storage/count.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { fillWithMany, rowsRead } from '../support/rows-read.ts'

/** More than one statement changes. */
const many = 2500

const suite = servicesFound() ? describe : describe.skip
suite('counts and bulk revocations over many rows', () => {
  let core: Core
  before(async () => {
    const env = await freshStorage('services')
    core = await openNode(env)
    await fillWithMany(env, many)
  })
  after(() => core?.close())

  it('estimate from statistics what would take long to count, never below what was counted, and say so (R-19)', async () => {
    /** Counts rows of a subquery, as countRows counts those of a tenant's table. */
    const counted = (series: string, where?: string) => {
      const table = `(select 'default' as tenant_id, i from generate_series(1, ${series}) i) s`
      const which = { table, order: 'i', ...(where ? { where } : {}) }
      return countRows(core.database, which, [defaultTenant])
    }
    expect(await counted('10000')).to.deep.equal({ rows: 10_000, isEstimate: false })
    expect(await counted('10000', 'i < 8')).to.deep.equal({ rows: 7, isEstimate: false })
    expect(await counted('400000')).to.deep.equal({ rows: 400_000, isEstimate: true })
    const unknown = await counted('(select 400000)')
    expect(unknown).to.deep.equal({ rows: 10_001, isEstimate: true })
    // However few of very many match.
    const most = 'case when i <= 10001 then i = 1 else 1 / (i - i) = 0 end'
    expect((await counted('400000', most)).isEstimate).to.equal(true)
    await core.database.execute(
      `create function takes_long() returns boolean language plpgsql as $$ begin raise query_canceled; end $$`,
    )
    expect(await counted('900', 'takes_long()')).to.deep.equal({ rows: 300, isEstimate: true })
  })

  it('are exact for few rows that Postgres estimates as many (R-19)', async () => {
    await core.database.execute('analyze accounts')
    let found: object | undefined
    await core.database.unit(async (unit) => {
      await unit.open()
      await core.database.execute(
        `update accounts set deleted_at = now() where id > (select min(id) from accounts)`,
      )
      found = await core.accounts.views.count(defaultTenant)
      return false
    })
    expect(found).to.deep.equal({ rows: 1, isEstimate: false })
  })

  it('read the rows of the tenant only, and of grants the live ones (R-19)', async () => {
    const { rows: live } = await core.grants.count(defaultTenant)
    /** The other tenant's rows come first, as Postgres stores them; this tenant gets as many, all of them revoked. */
    const prepare = async () => {
      await core.database.execute('set local session_replication_role = replica')
      for (const tenant of ['other', defaultTenant]) {
        await core.database.execute(
          `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
           select $1, 'much-' || i, i || '@much.example', i || '@much.example', true, '{}', now(), now()
           from generate_series(1, 20000) i`,
          [tenant],
        )
        await core.database.execute(
          `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at, revoked_at)
           select $1, 'much-' || i, 'much-' || i, 'web', '{}', now(), now(), now()
           from generate_series(1, 20000) i`,
          [tenant],
        )
      }
      await core.database.execute('analyze accounts, grants')
    }
    const accounts = async () =>
      expect((await core.accounts.views.count(defaultTenant)).isEstimate).to.equal(true)
    expect(await rowsRead(core, 'accounts', accounts, prepare)).to.be.within(10_001, 11_000)
    const grants = async () =>
      expect(await core.grants.count(defaultTenant)).to.deep.equal({
        rows: live,
        isEstimate: false,
      })
    expect(await rowsRead(core, 'grants', grants, prepare)).to.be.below(live + 100)
  })

  it('revoke in batches of bounded size, however Postgres joins', async () => {
    const [someone] = await core.accounts.lists.page(defaultTenant, { limit: 1 })
    const { query } = core.database
    const changed: number[] = []
    await core.database
      .unit(async (unit) => {
        await unit.open()
        for (const way of ['hashjoin', 'mergejoin', 'material', 'hashagg', 'sort']) {
          await core.database.execute(`set local enable_${way} = off`)
        }
        await core.database.execute(`set local session_replication_role = replica`)
        await core.database.execute('update grants set client_id = $1', ['all'])
        await core.database.execute(
          `insert into sessions (tenant_id, uid, handle_hash, account_id, transient, created_at, updated_at, expires_at)
           select $1, 'open-' || i, 'open-' || i, $2, false, now(), now(), now() + interval '1 hour'
           from generate_series(1, 2500) i`,
          [defaultTenant, someone?.id],
        )
        core.database.query = async <Row>(sql: string, parameters?: unknown[]) => {
          const rows = await query<Row>(sql, parameters)
          if (/^\s*update (grants|sessions)/.test(sql)) changed.push(rows.length)
          return rows
        }
        await core.grants.revoke(defaultTenant, { clientIds: ['all'] }, 'operator')
        await core.sessions.endAll(defaultTenant, [someone?.id ?? ''], 'operator')
        return false
      })
      .finally(() => {
        core.database.query = query
      })
    expect(changed).to.have.length(6)
    expect(Math.max(...changed)).to.equal(1000)
  })
})
