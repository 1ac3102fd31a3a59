import { expect } from 'chai'
import pg from 'pg'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { type Nodes, openNodes } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const suite = servicesFound() ? describe : describe.skip
suite("a node's poll (ADR 0028)", () => {
  let nodes: Nodes
  before(async () => {
    nodes = await openNodes('services', { DATABASE_POOL_SIZE: '1' })
    nodes.b.outbox.start()
  })
  afterEach(backToPresent)
  after(async () => {
    await nodes?.b.outbox.stop()
    await nodes?.close()
  })

  it('reads all tables in one statement, and takes pool connections only for the outbox while nothing happens', async () => {
    const { notifications, database } = nodes.b.storage
    const { query } = notifications
    const create = database.dataSource.createQueryRunner.bind(database.dataSource)
    const asked: string[] = []
    let others: string[] = []
    database.dataSource.createQueryRunner = () => {
      others.push(new Error('who').stack ?? '')
      return create()
    }
    notifications.query = (sql, parameters) => {
      if (asked.push(sql) === 2) others = []
      return query(sql, parameters)
    }
    try {
      await eventually(
        'polls and other connections were counted',
        () => asked.length >= 8 && others.length > 0,
      )
    } finally {
      notifications.query = query
      database.dataSource.createQueryRunner = create
    }
    const [first = ''] = asked
    expect(new Set(asked)).to.deep.equal(new Set([first]))
    for (const table of ['changes', 'denials', 'signing_keys']) {
      expect(first).to.contain(`from ${table}`)
    }
    expect(others.filter((stack) => !stack.includes('outbox.store.ts'))).to.deep.equal([])
    expect(others.length, 'one for all kinds, and fewer than polls').to.be.below(asked.length / 2)
  })

  it('delivers a revocation while the outbox cannot be read (R-10)', async () => {
    const { a, b } = nodes
    const holder = new pg.Client({ connectionString: nodes.env['DATABASE_URL'] })
    await holder.connect()
    try {
      await holder.query('begin; lock table outbox')
      /** Which process waits for the lock, and since when. */
      const waiting = async (): Promise<string | undefined> => {
        const { rows } = await holder.query(
          `select pid || ' ' || waitstart as wait from pg_locks
           where not granted and database = (select oid from pg_database where datname = current_database())`,
        )
        return rows[0]?.wait ?? undefined
      }
      // The poll of the outbox times out and starts again; the revocation may have arrived in between.
      await eventually('b learns of a revocation during one wait', async () => {
        const wait = await eventually('b waits for changes', waiting)
        const denial = { kind: 'jti', subject: `revoked beside ${wait}` } as const
        await a.denials.add(defaultTenant, [denial])
        const isDenied = () => b.denials.anyDenies(defaultTenant, [denial], b.clock.seconds())
        await eventually('b denies the token', isDenied)
        return b.changes.isFresh() && (await waiting()) === wait
      })
    } finally {
      await holder.end()
    }
  })

  it('delivers a revocation without a pool connection, while the full deny-list cannot be read (R-10)', async () => {
    const { a, b } = nodes
    const isHeld = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holder = b.database.transaction(async () => {
      await b.database.query('select 1')
      isHeld.resolve()
      await release.promise
    })
    await isHeld.promise
    try {
      // Makes the next poll reload the deny-list.
      travel(90)
      const denial = { kind: 'jti', subject: 'revoked meanwhile' } as const
      const isDenied = () => b.denials.anyDenies(defaultTenant, [denial], b.clock.seconds())
      // If it gets no connection in time it fails, which is fine here.
      const reading = Promise.allSettled([b.denials.refresh()])
      await a.denials.add(defaultTenant, [denial])
      await eventually('b denies the token', isDenied)
      release.resolve()
      await reading
    } finally {
      release.resolve()
      await holder
    }
  })
})
