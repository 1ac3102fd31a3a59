import { expect } from 'chai'
import pg from 'pg'
import { fillWithRows } from '../../bench/suite/rows.ts'
import { accountsList } from '../../src/cli/accounts-list.ts'
import { apply } from '../../src/cli/apply.ts'
import { emailsById } from '../../src/cli/owners.ts'
import type { Core } from '../../src/core.ts'
import { createOutboxStore } from '../../src/outbox/outbox.store.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { countRows } from '../../src/storage/count.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { errorOf, openNode } from '../support/cores.ts'
import { runCommand } from '../support/node-process.ts'
import { someFamily, tokenOf } from '../support/people.ts'
import { servicesFound } from '../support/root-hooks.ts'

/** More than one page, and far more than any one request needs. */
const many = 2500

if (servicesFound()) {
  describe('With thousands of accounts, clients and families', () => {
    let env: Record<string, string>
    let core: Core
    before(async () => {
      env = await freshStorage('services')
      core = await openNode(env)
      const client = new pg.Client({ connectionString: env['DATABASE_URL'] })
      await client.connect()
      await client.query('set session_replication_role = replica')
      await fillWithRows((sql, given) => client.query(sql, given), many, many)
      await client.end()
    })
    after(() => core?.close())

    /** Rows of a table that some work reads. */
    async function rowsRead(table: string, work: () => Promise<unknown>): Promise<number> {
      const soFar = async () => {
        const [row] = await core.database.query<{ read: string }>(
          `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read
           from pg_stat_xact_user_tables where relname = $1`,
          [table],
        )
        return Number(row?.read)
      }
      let read = 0
      // On one connection, whose counts these are; nothing of it is kept.
      await core.database.unit(async (unit) => {
        await unit.open()
        const before = await soFar()
        await work()
        read = (await soFar()) - before
        return false
      })
      return read
    }

    /** What is asked of tables that are as dear as those of millions; nothing is kept. @param patience with a statement */
    async function inDearTable<T>(work: () => Promise<T>, patience = '30s'): Promise<T> {
      let found: T | undefined
      await core.database.unit(async (unit) => {
        await unit.open()
        for (const name of ['seq_page_cost', 'random_page_cost', 'cpu_tuple_cost']) {
          await core.database.query(`set local ${name} = 1000`)
        }
        await core.database.query(`set local statement_timeout = '${patience}'`)
        found = await work()
        return false
      })
      return found as T
    }

    it('a family that starts reads those of its account, not all of its client', async () => {
      const { family } = await someFamily(core)
      // Statistics say that each client and each account has one.
      await core.database.execute('update families set client_id = $1', [family.clientId])
      const other = { ...family, id: newHandle() }
      const start = () => core.families.start(other, tokenOf(newHandle()))
      expect(await rowsRead('families', start)).to.be.below(20)
    })

    it('lists of what accounts have read the addresses of those alone', async () => {
      const [account] = await core.accounts.lists.page(defaultTenant, { limit: 1 })
      const ids = [account?.id ?? '', 'gone']
      const look = async () => {
        const emails = await emailsById(core, defaultTenant, ids)
        expect(ids.map(emails)).to.deep.equal([account?.email, 'gone'])
      }
      expect(await rowsRead('accounts', look)).to.equal(1)
    })

    it('a first page of grants or families, and one later on, reads what it shows', async () => {
      const later = { createdAt: Date.now() - 1000 * 1000, id: '' }
      for (const after of [undefined, later]) {
        const grants = () => core.grants.list(defaultTenant, {}, { after, limit: 10 })
        expect(await rowsRead('grants', grants)).to.be.within(10, 30)
        const families = () => core.families.list(defaultTenant, { after, limit: 10 })
        expect(await rowsRead('families', families)).to.be.within(10, 30)
      }
    })

    it('whether there is an operator, and another one, reads the operators', async () => {
      const email = 'operator-of-many@example.com'
      await core.accounts.declare(defaultTenant, { email, roles: ['operator'] })
      const { id = '' } = (await core.accounts.byIdentifier(defaultTenant, email)) ?? {}
      const account = await core.accounts.active(defaultTenant, id)
      const look = async () => {
        expect(await core.accounts.hasOperator(defaultTenant)).to.equal(true)
        expect(account && (await core.accounts.setDisabled(account, true))).to.equal(true)
      }
      expect(await rowsRead('accounts', look)).to.be.below(10)
    })

    it('a look at the queue reads what it takes, however much waits for one destination', async () => {
      await core.database.execute(
        `insert into outbox (tenant_id, id, kind, destination, payload, created_at, next_at, attempts)
         select 'default', 'waiting-' || i, 'a-kind', 'somewhere', '{}', now(), now() - i * interval '1 second', 0
         from generate_series(1, $1::int) i`,
        [many],
      )
      await core.database.execute('analyze outbox')
      const store = createOutboxStore(core)
      const appetite = { kind: 'a-kind', most: 8, mostPerDestination: 4, paused: [], lease: 60_000 }
      const take = async () => expect(await store.take(appetite)).to.have.length(4)
      expect(await rowsRead('outbox', take)).to.be.below(100)
    })

    it('what an apply file names is read, and not all that is stored', async () => {
      const [account] = await core.accounts.lists.page(defaultTenant, { limit: 1 })
      const document = {
        clients: [{ client_id: 'one-of-many', grant_types: ['client_credentials'] }],
        accounts: [{ email: account?.email, name: 'Somebody else' }],
      }
      const io = { env: {}, stdin: async () => JSON.stringify(document), out() {}, err() {} }
      const planOf = async (options: object) =>
        apply.execute(
          core,
          await apply.prepare(
            { operands: ['-'], options: { tenant: defaultTenant, ...options } },
            io,
          ),
        )
      const { lists, views } = { lists: core.accounts.lists, views: core.clients.views }
      const pages = [lists.page, views.page] as const
      const all = () => Promise.reject(new Error('all are read'))
      Object.assign(lists, { page: all })
      Object.assign(views, { page: all })
      try {
        const { changes } = await planOf({ plan: true })
        expect(changes.map(({ outcome }) => outcome)).to.deep.equal(['created', 'updated'])
        // What is not in the file is known from all.
        expect((await errorOf(planOf({ check: true }))).message).to.equal('all are read')
      } finally {
        Object.assign(lists, { page: pages[0] })
        Object.assign(views, { page: pages[1] })
      }
    })

    it('what would take long to count is what the statistics say, never less than was counted, and is said to be (R-19)', async () => {
      const counted = (from: string, patience?: string) =>
        inDearTable(() => countRows(core.database, from, []), patience)
      const [few, manyMore, unknown] = [
        await counted('generate_series(1, 300000)'),
        await counted('generate_series(1, 400000)'),
        await counted('generate_series(1, (select 400000))'),
      ]
      expect(few).to.deep.equal({ rows: 300_000, isEstimate: false })
      expect(manyMore).to.deep.equal({ rows: 400_000, isEstimate: true })
      expect(unknown).to.deep.equal({ rows: 300_001, isEstimate: true })
      const slow = 'generate_series(1, 50) where pg_sleep(1) is not null'
      expect((await counted(slow, '500ms')).isEstimate).to.equal(true)
    })

    it('few rows that Postgres takes for many are counted (R-19)', async () => {
      await core.database.execute('analyze accounts')
      const { rows, isEstimate } = await inDearTable(async () => {
        await core.database.execute(
          `update accounts set deleted_at = now() where id > (select min(id) from accounts)`,
        )
        return core.accounts.views.count(defaultTenant)
      })
      expect({ rows, isEstimate }).to.deep.equal({ rows: 1, isEstimate: false })
    })

    it('commands ask for a page at a time and print all of them', async () => {
      const page = await accountsList.execute(core, { tenant: defaultTenant })
      expect(page.accounts).to.have.length(1000)
      expect(page.next).to.equal(page.accounts.at(-1)?.email)

      const [accounts, clients] = await Promise.all([
        runCommand(['accounts', 'list', '--json'], env),
        runCommand(['clients', 'list'], env),
      ])
      const listed = JSON.parse(accounts.stdout) as { accounts: { email: string }[] }
      const emails = listed.accounts.map(({ email }) => email)
      expect(new Set(emails)).to.have.length(emails.length)
      const { rows, isEstimate } = await core.accounts.views.count(defaultTenant)
      expect(isEstimate).to.equal(false)
      expect(emails).to.have.length(rows)
      expect(accounts.stdout, 'as one document').to.equal(`${JSON.stringify(listed, null, 2)}\n`)
      expect(clients.stdout.match(/^filler-/gm)).to.have.length(many)
    })
  })
}
