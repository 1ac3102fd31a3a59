import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { openCore } from '../../src/core.ts'
import { noteOpened } from '../../src/storage/connection.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { isTransient } from '../../src/storage/violations.ts'
import { freshStorage } from '../support/boot.ts'
import { errorOf, silentLog } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import { type Link, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const suite = servicesFound() ? describe : describe.skip
suite('a connection to an address that now leads to another server (R-04)', () => {
  const postgres = () => (services() as Services).postgres
  let proxy: TcpProxy
  let database: Database
  let close: () => Promise<void>
  let address: string
  interface State {
    link: Link
    /** Cuts the link at the next request, at once or after this many milliseconds. */
    isDead: boolean | number
    /** Cuts the link at the answer. */
    loses: boolean
    /** Whether the server's answers are dropped, and whether a request arrived meanwhile. */
    isMute: boolean
    asked: boolean
    /** Answers that are delivered later. */
    held: Buffer[] | undefined
  }
  /** The open links. */
  const links = new Set<State>()
  let opened = 0
  /** Whether the answers on new links are held back. */
  let holds = false

  before(async () => {
    proxy = await startTcpProxy(postgres().port, (link) => {
      const held = holds ? [] : undefined
      const state: State = { link, isDead: false, loses: false, isMute: false, asked: false, held }
      links.add(state)
      opened++
      return {
        fromClient(bytes) {
          state.asked ||= state.isMute
          if (state.isDead === true) link.cut()
          else if (state.isDead !== false) setTimeout(link.cut, state.isDead)
          else link.toServer(bytes)
        },
        fromServer(bytes) {
          if (state.held) state.held.push(bytes)
          else if (state.loses) link.cut()
          else if (!state.isMute) link.toClient(bytes)
        },
        closed: () => void links.delete(state),
      }
    })
    const env = await freshStorage('services')
    const url = new URL(env['DATABASE_URL'] as string)
    url.port = String(proxy.port)
    address = url.href
    const settings = { ...env, DATABASE_URL: url.href, DATABASE_POOL_SIZE: '3' }
    ;({ database, close } = await openCore(loadConfig(settings), silentLog, {
      schema: 'migrate',
    }))
    await database.query('create table notes (id text)')
  })
  after(async () => {
    await close?.()
    await proxy?.stop()
  })

  const note = (id: string) => database.execute('insert into notes values ($1)', [id])
  const notes = async () =>
    (await database.query<{ id: string }>('select id from notes order by id')).map(({ id }) => id)
  const fillPool = (pool = database) =>
    Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.1)')))

  it('fails no request that cannot have taken effect: it is repeated over a new connection', async () => {
    const asking: Array<() => Promise<unknown>> = [
      notes,
      () => database.queryPrimary('select 1'),
      () => database.transaction(() => note('in a transaction')),
      () =>
        database.unit(async (unit) => {
          await unit.open()
          await unit.together(() => Promise.all([notes(), note('together')]))
          unit.commitWith(async () => (await note('last')) === 1)
          return true
        }),
    ]
    for (const ask of asking) {
      await fillPool()
      const idle = [...links]
      expect(idle, 'links of the pool').to.have.length.at.least(3)
      for (const state of idle) state.isDead = true
      await ask()
      // Replaces the other idle connections, as a lone write cannot be repeated.
      await Promise.all([note('beside'), note('beside')])
    }
    const all = await notes()
    expect(all.filter((id) => id !== 'beside')).to.deep.equal([
      'in a transaction',
      'last',
      'together',
    ])
    expect(all).to.have.length(3 + 2 * asking.length)
  })

  it('fails a request that may have taken effect, and does not repeat it', async () => {
    await database.query('delete from notes')
    const losing: Array<() => Promise<unknown>> = [
      () => note('alone'),
      () =>
        database.unit(async (unit) => {
          await unit.open()
          unit.commitWith(async () => (await note('committed at once')) === 1)
          return true
        }),
    ]
    for (const ask of losing) {
      await fillPool()
      for (const state of links) state.loses = true
      const error = await errorOf(ask())
      expect(isTransient(error), error.message).to.equal(true)
    }
    expect(await notes()).to.deep.equal(['alone', 'committed at once'])
  })

  describe('in a separate pool', () => {
    let pool: Database
    /** The links of the pool. */
    let own: State[]

    async function open(): Promise<void> {
      pool = await openDatabase({
        entities: [],
        url: address,
        poolSize: 3,
        connectPatience: 1000,
        answerPatience: 1500,
        extra: {
          onConnect(client: NodeJS.EventEmitter) {
            noteOpened(client)
            client.on('error', () => undefined)
          },
        },
      })
      opened = 0
    }
    async function openAll(): Promise<void> {
      const others = new Set(links)
      await open()
      await fillPool(pool)
      own = [...links].filter((state) => !others.has(state))
      expect(own).to.have.length(3)
      opened = 0
    }
    afterEach(() => pool?.close())

    it('is kept, despite a slow answer on another one, when it has answered since', async () => {
      await openAll()
      for (const state of own) state.isMute = true
      const slow = errorOf(pool.query('select 1'))
      await eventually('a connection is checked', () => own.some(({ asked }) => asked))
      for (const state of own) state.isMute = state.asked
      await fillPool(pool)
      expect((await slow).message).to.contain('did not answer')
      opened = 0
      await fillPool(pool)
      expect(opened, 'opened in its place').to.equal(1)
    })

    it('is not replaced when it is found dead too late to repeat the request', async () => {
      await openAll()
      for (const state of own) state.isDead = 1100
      expect(isTransient(await errorOf(pool.query('select 1')))).to.equal(true)
      expect(opened).to.equal(0)
    })

    it('is returned to the pool when it opens after its request has timed out, with one deadline for all attempts', async () => {
      await openAll()
      for (const state of own) state.isDead = 100
      holds = true
      const error = await errorOf(pool.query('select 1')).finally(() => {
        holds = false
      })
      expect(error.message).to.contain('timeout exceeded')
      for (const state of links) {
        const { held = [] } = state
        state.held = undefined
        for (const bytes of held) state.link.toClient(bytes)
      }
      const { master } = pool.dataSource.driver as unknown as {
        master: Record<'totalCount' | 'idleCount', number>
      }
      await eventually(
        'the pool has one idle connection',
        () => master.idleCount === 1 && master.totalCount === 1,
      )
    })

    it('is kept after a server error, and replaced after a value that cannot be serialised', async () => {
      await openAll()
      const cannot = `do $$ begin raise exception 'no' using errcode = '0A000'; end $$`
      expect((await errorOf(pool.query(cannot))).message).to.equal('no')
      await fillPool(pool)
      expect(opened, 'opened').to.equal(0)
      const circle: Record<string, unknown> = {}
      circle['self'] = circle
      const error = await errorOf(pool.query('select $1::jsonb', [circle]))
      expect(error.message).to.contain('circular')
      await fillPool(pool)
      expect(opened, 'opened in its place').to.equal(1)
    })

    it('is opened only once more for a statement that the server always refuses', async () => {
      const [{ name } = { name: '' }] = await database.query<{ name: string }>(
        'select current_database() as name',
      )
      const admin = (how: string) =>
        (services() as Services).admin(`alter database "${name}" ${how}`)
      await admin('set default_transaction_read_only = on')
      try {
        await open()
        const write = `insert into notes values ('refused')`
        const [, error] = await Promise.all([
          pool.query('select pg_sleep(0.3)'),
          errorOf(pool.execute(write)),
        ])
        expect(error.message).to.contain('read-only')
        await pool.query('select 1')
        expect(opened, 'opened beside the first').to.equal(1)
      } finally {
        await admin('reset default_transaction_read_only')
      }
    })
  })
})
