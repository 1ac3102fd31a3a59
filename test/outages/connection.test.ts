import { expect } from 'chai'
import { QueryFailedError } from 'typeorm'
import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createProbes } from '../../src/http/probes.ts'
import { textOf } from '../../src/metrics/text.ts'
import { implicitDefault } from '../../src/resources/resource-server.ts'
import { isConnectionLost, isTransient } from '../../src/storage/violations.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { errorOf, openNode, refusalOf, silentLog } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { figure } from '../support/prometheus.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { travellingClock } from '../support/time-travel.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a Postgres connection (R-04)', () => {
  let core: Core
  const postgres = () => (services() as Services).postgres

  beforeEach(async () => {
    core = await openNode({
      ...(await freshStorage('services')),
      DATABASE_POOL_SIZE: '1',
      DENYLIST_MAX_STALENESS: '1',
      METRICS_PORT: '9',
    })
  })
  afterEach(async () => {
    postgres().resume()
    core?.denials.stop()
    await core?.close()
  })

  it('is closed after a statement times out, so its open transaction is not inherited', async () => {
    const { database } = core
    const refusal = await refusalOf(
      database.transaction(async () => {
        await core.tenants.declare({ id: 'half', name: 'Half done' })
        postgres().pause()
        await database.query('select 1')
      }),
      'storage_unavailable',
    )
    expect(refusal.status).to.equal(503)
    expect(refusal.message).to.match(/^Postgres did not answer a statement within \d+ ms$/)
    postgres().resume()

    const [row] = await eventually('Postgres answers', () =>
      database.query('select pg_current_xact_id_if_assigned() as transaction'),
    )
    expect(row).to.deep.equal({ transaction: null })
    await core.tenants.declare({ id: 'whole', name: 'Done' })
    const ids = (await core.tenants.list()).map(({ id }) => id)
    expect(ids).to.have.members([defaultTenant, 'whole'])
  })

  it('counts as a transient fault when the server lacks disk, memory or connections', async () => {
    const countsAsTransient = async (state: string) =>
      isTransient(
        await errorOf(
          core.database.query(
            `do $$ begin raise exception 'no' using errcode = '${state}'; end $$`,
          ),
        ),
      )
    for (const state of ['53100', '53200', '53300', '53400', '58030', '25P03', '25P04']) {
      expect(await countsAsTransient(state), state).to.equal(true)
    }
    for (const state of ['58P01', '42601', '23514']) {
      expect(await countsAsTransient(state), state).to.equal(false)
    }
  })

  it('is judged by the SQLSTATE alone where there is one, not by the text of the error', async () => {
    const { database } = core
    for (const sent of ['timeout', 'connection closed', 'ECONNRESET']) {
      const error = await errorOf(database.query('select $1::int', [sent]))
      expect(error.message).to.contain(sent)
      expect(isTransient(error), error.message).to.equal(false)
    }
    const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    expect(isConnectionLost(new QueryFailedError('select 1', [], broken))).to.equal(true)
  })

  it('is not blamed for a value that cannot be serialised, as a retry never helps', async () => {
    const error = await errorOf(core.database.query('select $1::jsonb', [{ count: 1n }]))
    expect(error.message).to.match(/BigInt/)
    expect(isTransient(error)).to.equal(false)
  })

  it('is dropped when its server becomes read-only, such as a demoted primary', async () => {
    const { database } = core
    const isReady = () => createProbes(core).storage()
    await database.query('set default_transaction_read_only = on')
    expect(await isReady(), 'ready, over a new connection').to.equal(true)
    await database.query('set default_transaction_read_only = on')
    expect(await core.tenants.declare({ id: 'accepted', name: 'Accepted' })).to.equal(true)
  })

  it('is dropped by the listener too when its server becomes read-only, such as a fenced primary', async () => {
    const admin = (sql: string) => (services() as Services).admin(sql)
    const listener = async () => {
      const [row] = await admin(
        `select pid from pg_stat_activity where application_name = 'keyturn listener'`,
      )
      return row?.['pid'] as number | undefined
    }
    const before = await eventually('the listener is connected', listener)
    await admin('alter system set default_transaction_read_only = on')
    try {
      await admin('select pg_reload_conf()')
      await eventually(
        'the listener has dropped its connection',
        async () => (await listener()) !== before,
      )
      expect((await errorOf(core.denials.refresh())).message, 'through the pool').to.contain(
        'read-only',
      )
      await eventually('the node knows that its data may be stale', () => !core.changes.isFresh())
    } finally {
      await admin('alter system reset default_transaction_read_only')
      await admin('select pg_reload_conf()')
    }
    await eventually('the listener is connected again', listener)
    await eventually('the node knows all changes', () => core.changes.isFresh())
  })

  it('is measured: `keyturn_db_up` is 0 while Postgres is away, but not when the pool is too small', async () => {
    const figures = async () => textOf([(await core.readMetrics?.(false)) ?? []])
    const isUp = async () => figure(await figures(), 'keyturn_db_up')
    const failures = async () => figure(await figures(), 'keyturn_db_connection_failures_total')
    await core.denials.start()
    expect(await isUp()).to.equal(1)
    const held = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holder = core.database.transaction(async () => {
      await core.database.query('select 1')
      held.resolve()
      await release.promise
    })
    await held.promise
    await refusalOf(core.database.query('select 1'), 'storage_unavailable')
    expect(await isUp(), 'while the pool is full').to.equal(1)
    release.resolve()
    await holder
    const whileFull = await failures()
    expect(whileFull).to.be.above(0)
    postgres().pause()
    try {
      await eventually('keyturn_db_up is 0', async () => (await isUp()) === 0)
      await eventually('failed connections are counted', async () => (await failures()) > whileFull)
    } finally {
      postgres().resume()
    }
    await eventually('keyturn_db_up is 1', async () => (await isUp()) === 1)
  })

  it('does not feed the deny-list when its server is read-only', async () => {
    const admin = (sql: string) => (services() as Services).admin(sql)
    const env = { ...(await freshStorage('services')), DATABASE_POOL_SIZE: '3' }
    const { database, denials, close } = await openCore(loadConfig(env), silentLog, {
      schema: 'migrate',
      clock: travellingClock(),
    })
    const [{ name } = { name: '' }] = await database.query<{ name: string }>(
      'select current_database() as name',
    )
    const fenced = (how: string) => admin(`alter database "${name}" ${how}`)
    const demote = `select set_config('default_transaction_read_only', 'on', false), pg_sleep(0.2)`
    const demoteAll = () => Promise.all([1, 2, 3].map(() => database.query(demote)))
    try {
      await demoteAll()
      await fenced('set default_transaction_read_only = on')
      expect((await errorOf(denials.refresh())).message).to.contain('read-only')
      expect(() => denials.asOf())
        .to.throw()
        .with.property('code', 'deny_list_stale')
      await fenced('reset default_transaction_read_only')
      await demoteAll()
      await denials.refresh()
      expect(denials.asOf(), 'over a new connection, past all idle ones').to.be.above(0)
    } finally {
      await close()
    }
  })

  it('does not delay the shutdown of a process while Postgres is frozen', async () => {
    const ending = await openNode(await freshStorage('services'))
    postgres().pause()
    let isOver = false
    const end = ending.close().then(() => {
      isOver = true
    })
    try {
      await eventually('the shutdown ends', () => isOver)
    } finally {
      postgres().resume()
      await end
    }
  })

  it('is dropped with its prepared statements when their table has changed', async () => {
    const { database } = core
    const all = () => database.query('select * from notes')
    await database.query('create table notes (id text)')
    await all()
    await database.query('alter table notes add column more text')
    expect(await all(), 'over a new connection').to.deep.equal([])
  })

  it('gives the deny-list its data: a stale list answers 503 until it is fresh again', async () => {
    const { denials } = core
    const ask = () => denials.anyDenies(defaultTenant, [{ kind: 'jti', subject: 'x' }], 0)
    await denials.start()
    expect(ask()).to.equal(false)
    postgres().pause()
    const stale = await eventually('the deny-list is stale', () =>
      errorOf(Promise.resolve().then(ask)).catch(() => undefined),
    )
    expect(stale).to.include({ code: 'deny_list_stale', status: 503 })
    const feed = () =>
      core.revocationFeed.document(defaultTenant, implicitDefault('https://a.example'))
    await refusalOf(feed(), 'deny_list_stale')
    postgres().resume()
    await eventually('the deny-list is fresh', () => !ask())
  })
})
