import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import pg from 'pg'
import { loadConfig } from '../../config/load.ts'
import { accountsList } from '../../src/cli/accounts-list.ts'
import { apply } from '../../src/cli/apply.ts'
import { applyDocument } from '../../src/cli/apply-file.ts'
import { exportCommand } from '../../src/cli/export.ts'
import { jsonExport } from '../../src/cli/export-output.ts'
import { emailsById } from '../../src/cli/owners.ts'
import { printParts } from '../../src/cli/parts.ts'
import type { Core } from '../../src/core.ts'
import { createOutboxStore } from '../../src/outbox/outbox.store.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { errorOf, openNode, silentLog } from '../support/cores.ts'
import { exportedFrom } from '../support/exported.ts'
import { compiledModules, runCommand } from '../support/node-process.ts'
import { someFamily, tokenOf } from '../support/people.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { fillWithMany, rowsRead } from '../support/rows-read.ts'
import { remember } from '../support/witness.ts'

/** More than one page, and far more than any one request needs. */
const many = 2500

if (servicesFound()) {
  describe('with thousands of accounts, clients and families', () => {
    let env: Record<string, string>
    let core: Core
    before(async () => {
      env = await freshStorage('services')
      core = await openNode(env)
      await fillWithMany(env, many)
    })
    after(() => core?.close())

    it('a new family reads those of its account, not all of its client', async () => {
      const { family } = await someFamily(core)
      // The statistics expect one per client and per account.
      await core.database.execute('update families set client_id = $1', [family.clientId])
      const other = { ...family, id: newHandle() }
      const start = () => core.families.start(other, tokenOf(newHandle()))
      expect(await rowsRead(core, 'families', start)).to.be.below(20)
    })

    it('a list of what accounts own reads the addresses of those accounts only', async () => {
      const [account] = await core.accounts.lists.page(defaultTenant, { limit: 1 })
      const owned = [{ accountId: account?.id ?? '' }, { accountId: 'gone' }]
      const look = async () => {
        const emails = await emailsById(core, defaultTenant, owned)
        const shown = owned.map(({ accountId }) => emails(accountId))
        expect(shown).to.deep.equal([account?.email, 'gone'])
      }
      expect(await rowsRead(core, 'accounts', look)).to.equal(1)
    })

    it('a first or later page of grants or families reads what it shows', async () => {
      const later = { createdAt: Date.now() - 1000 * 1000, id: '' }
      for (const after of [undefined, later]) {
        const grants = () => core.grants.list(defaultTenant, {}, { after, limit: 10 })
        expect(await rowsRead(core, 'grants', grants)).to.be.within(10, 30)
        const families = () => core.families.list(defaultTenant, { after, limit: 10 })
        expect(await rowsRead(core, 'families', families)).to.be.within(10, 30)
      }
    })

    it('looking for an operator, or another one, reads the operators only', async () => {
      const email = 'operator-of-many@example.com'
      await core.accounts.declare(defaultTenant, { email, roles: ['operator'] })
      const { id = '' } = (await core.accounts.byIdentifier(defaultTenant, email)) ?? {}
      const account = await core.accounts.active(defaultTenant, id)
      const look = async () => {
        expect(await core.accounts.hasOperator(defaultTenant)).to.equal(true)
        expect(account && (await core.accounts.setDisabled(account, true))).to.equal(true)
      }
      expect(await rowsRead(core, 'accounts', look)).to.be.below(10)
    })

    it('a poll of the outbox reads what it takes, however much waits for one destination', async () => {
      await core.database.execute(
        `insert into outbox (tenant_id, id, kind, destination, payload, created_at, next_at, attempts)
         select 'default', 'waiting-' || i, 'a-kind', 'somewhere', '{}'::jsonb, now(), now() - i * interval '1 second', 0
         from generate_series(1, $1::int) i
         union all select 'default', 'another', 'another-kind', 'somewhere', '{}'::jsonb, now(), now(), 0`,
        [many],
      )
      await core.database.execute('analyze outbox')
      const store = createOutboxStore(core)
      const appetite = { most: 8, mostPerDestination: 4, except: [], lease: 60_000 }
      const take = async (kind: string) => (await store.take({ ...appetite, kind })).length
      for (const [kind, taken] of [
        ['a-kind', 4],
        ['another-kind', 1],
      ] as const) {
        const look = async () => expect(await take(kind)).to.equal(taken)
        expect(await rowsRead(core, 'outbox', look)).to.be.below(100)
      }
      const wait = async () => expect(await store.state()).to.equal('due')
      // A start after an upgrade creates the index while nodes poll.
      const beforeIndex = () => core.database.execute('drop index ix_outbox_due')
      expect(await rowsRead(core, 'outbox', wait, beforeIndex)).to.be.below(20)
    })

    it('apply reads what its file names, not everything stored', async () => {
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
        // Only with all rows read can it tell what the file lacks.
        expect((await errorOf(planOf({ check: true }))).message).to.equal('all are read')
      } finally {
        Object.assign(lists, { page: pages[0] })
        Object.assign(views, { page: pages[1] })
      }
    })

    it('an export is a snapshot, has at most a page in memory, and waits for its reader', async () => {
      const parts: number[] = []
      const print = jsonExport()
      let text = ''
      let busy = false
      const other = new pg.Client({ connectionString: env['DATABASE_URL'] })
      await other.connect()
      await exportCommand.execute(core, { tenant: defaultTenant }, async (part) => {
        expect(busy, 'parts in parallel').to.equal(false)
        busy = true
        // By another connection during the export.
        if (parts.length === 1) {
          await other.query(
            `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
             values ('default', 'later', 'zz@later.example', 'zz@later.example', true, '{}', now(), now())`,
          )
        }
        const { items = [] } = part as { items?: unknown[] }
        parts.push(items.length)
        text += print.part(part)
        busy = false
      })
      await other.end()
      expect(Math.max(...parts)).to.equal(1000)
      const exported = JSON.parse(text + print.end()) as { clients: object[]; accounts: object[] }
      expect(exported.clients).to.have.length.of.at.least(many)
      expect(text).to.not.include('zz@later.example')
      expect(await exportedFrom(core, defaultTenant))
        .to.have.property('accounts')
        .that.has.length(exported.accounts.length + 1)
      // Printed as one document, whatever the parts were.
      expect((await runHere(['export', '--json'], env)).stdout).to.equal(
        `${JSON.stringify(await exportedFrom(core, defaultTenant), null, 2)}\n`,
      )
    })

    it('an export that fails midway prints nothing', async () => {
      await core.database.execute('alter table accounts rename to away')
      try {
        const { code, stdout, stderr } = await runHere(['export'], env)
        expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
        expect(stderr).to.include('accounts')
      } finally {
        await core.database.execute('alter table away rename to accounts')
      }
    })

    it('an export whose reader goes away exits quietly', async () => {
      const command = 'node_modules/.bin/node src/main.ts export; echo $? >&2'
      const { stdout, stderr } = await promisify(execFile)(
        'sh',
        ['-c', `{ ${command}; } | head -n 1`],
        {
          env: { ...compiledModules, PATH: process.env['PATH'] ?? '', ...env, LOG_LEVEL: 'fatal' },
        },
      )
      expect(stdout).to.equal('clients:\n')
      expect(stderr).to.equal('0\n')
    })

    it('apply compares a thousand entries at a time and reports its progress, also when the receiver fails', async () => {
      const { accounts = [] } = await exportedFrom(core, defaultTenant)
      const password = 'somebody else has chosen it'
      accounts[0] = { ...(accounts[0] as (typeof accounts)[0]), name: 'Somebody else', password }
      remember(password)
      const document = applyDocument.parse({ accounts })
      const { lists, readyDeclared } = core.accounts
      core.accounts.readyDeclared = (...given) => {
        clock.tick(10_000)
        return readyDeclared(...given)
      }
      const { named } = lists
      const asked: number[] = []
      lists.named = (tenant, emails) => {
        asked.push(emails.length)
        clock.tick(10_000)
        return named(tenant, emails)
      }
      const signs: string[] = []
      const clock = install({ toFake: ['performance'] })
      try {
        const input = { tenant: defaultTenant, document, plan: true }
        const { changes, updated, unchanged } = await apply.execute(core, input, async (part) => {
          signs.push(apply.progress?.(part) ?? '')
          throw new Error('the caller is gone')
        })
        expect(signs).to.deep.equal([
          'apply: 1 of 1 passwords hashed',
          ...[1000, 2000, accounts.length].map(
            (done) => `apply: ${done} of ${accounts.length} clients and accounts`,
          ),
        ])
        expect({ updated, unchanged }).to.deep.equal({ updated: 1, unchanged: accounts.length - 1 })
        expect(changes[0]?.members).to.have.nested.property('[0].after', 'Somebody else')
        expect(asked).to.deep.equal([1000, 1, 1000, accounts.length - 2000])
      } finally {
        clock.uninstall()
        lists.named = named
        core.accounts.readyDeclared = readyDeclared
      }
    })

    it('list commands read a page at a time and print all pages', async () => {
      const page = await accountsList.execute(core, { tenant: defaultTenant })
      expect(page.accounts).to.have.length(1000)
      expect(page.next).to.equal(page.accounts.at(-1)?.email)

      const [accounts, clients] = await Promise.all([
        runCommand(['accounts', 'list', '--json'], env),
        runHere(['clients', 'list'], env),
      ])
      const listed = JSON.parse(accounts.stdout) as { accounts: { email: string }[] }
      const emails = listed.accounts.map(({ email }) => email)
      expect(new Set(emails)).to.have.length(emails.length)
      const { rows, isEstimate } = await core.accounts.views.count(defaultTenant)
      expect(isEstimate).to.equal(false)
      expect(emails).to.have.length(rows)
      expect(accounts.stdout, 'one document').to.equal(`${JSON.stringify(listed, null, 2)}\n`)
      expect(clients.stdout.match(/^filler-/gm)).to.have.length(many)
    })

    it('an export spooled to a file prints the same as one in memory', async () => {
      const whole = await runHere(['export', '--json'], env)
      let printed = ''
      let busy = false
      let early = 0
      const io = {
        env: {},
        stdin: async () => '',
        err() {},
        /** A slow reader. */
        async out(lines: string) {
          if (busy) early += 1
          busy = true
          printed += `${lines}\n`
          // As long as several reads of the file take.
          for (let looks = 0; looks < 10; looks += 1) await stat('.')
          busy = false
        },
      }
      const print = { name: 'export', print: jsonExport() } as const
      const surroundings = { config: loadConfig(env), log: silentLog }
      await printParts(print, { input: { tenant: defaultTenant }, io, ...surroundings }, 5000)
      expect(printed).to.equal(whole.stdout)
      expect(early).to.equal(0)
    })

    it('an apply of many rows does little work in its commit, which has the timeout of a statement', async () => {
      const clients = Array.from({ length: 1100 }, (_, i) => ({
        client_id: `applied-${i}`,
        token_endpoint_auth_method: 'none',
        redirect_uris: ['https://app.example.com/callback'],
      }))
      const { lists } = core.accounts
      const { operators } = lists
      let recorded = 0
      // The last step of an apply.
      lists.operators = async (tenant) => {
        const [row] = await core.database.query<{ told: number }>(
          `select count(*)::integer as told from changes where subject like 'applied-%'`,
        )
        recorded = row?.told ?? 0
        return operators(tenant)
      }
      try {
        const document = applyDocument.parse({ clients })
        await apply.execute(core, { tenant: defaultTenant, document, plan: true })
        expect(recorded).to.equal(1100)
      } finally {
        lists.operators = operators
      }
    })

    it('apply sets a foreign hash for accounts without a password, and changes no others', async () => {
      const emails = ['first@hashed.example', 'second@hashed.example'] as const
      const password_hash = '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'
      const document = applyDocument.parse({
        accounts: emails.map((email) => ({ email, password_hash })),
      })
      const declared: string[] = []
      const { declare } = core.accounts
      core.accounts.declare = (tenant, account) => {
        declared.push(account.email)
        return declare(tenant, account)
      }
      const applied = async () => {
        const input = { tenant: defaultTenant, document, plan: false }
        const { created, updated, unchanged } = await apply.execute(core, input)
        return { created, updated, unchanged, declared: declared.splice(0) }
      }
      try {
        const none = { created: 0, updated: 0, unchanged: 0, declared: [] }
        expect(await applied()).to.deep.equal({ ...none, created: 2 })
        expect(await applied()).to.deep.equal({ ...none, unchanged: 2 })
        await core.database.execute(
          'delete from passwords where account_id = (select id from accounts where email = $1)',
          [emails[0]],
        )
        expect(await applied()).to.deep.equal({
          ...none,
          ...{ updated: 1, unchanged: 1, declared: [emails[0]] },
        })
        expect(await applied()).to.deep.equal({ ...none, unchanged: 2 })
      } finally {
        core.accounts.declare = declare
      }
    })

    it('a search without a hit reads a bounded number of rows per statement', async () => {
      const { query } = core.database
      const read: number[] = []
      const soFar = async () => {
        const [row] = await query<{ read: string }>(
          `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read
           from pg_stat_xact_user_tables where relname = 'accounts'`,
        )
        return Number(row?.read)
      }
      await core.database
        .unit(async (unit) => {
          await unit.open()
          // As with a million rows, of which a step reads few.
          await core.database.execute('set local enable_seqscan = off')
          await core.database.execute(
            `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
           select 'default', 'more-' || i, 'more' || i || '@example.com', 'more' || i || '@example.com', true, '{}',
             now(), now() from generate_series(1, 26000) i`,
          )
          core.database.query = async <Row>(sql: string, parameters?: unknown[]) => {
            const before = await soFar()
            const rows = await query<Row>(sql, parameters)
            read.push((await soFar()) - before)
            return rows
          }
          const page = { limit: 50 }
          expect(
            await core.accounts.views.page(defaultTenant, { text: 'nobody@' }, page),
          ).to.deep.equal({ rows: [] })
          const late = await core.accounts.views.page(defaultTenant, { text: 'more9999@' }, page)
          expect(late.rows.map(({ email }) => email)).to.deep.equal(['more9999@example.com'])
          return false
        })
        .finally(() => {
          core.database.query = query
        })
      expect(Math.max(...read)).to.be.within(20_000, 25_000)
      expect(
        read.slice(0, 2).every((rows) => rows <= 1000),
        'first steps',
      ).to.equal(true)
    })
  })
}
