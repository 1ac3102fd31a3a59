import { expect } from 'chai'
import pg from 'pg'
import type { Core } from '../../src/core.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { migrate, migrationState } from '../../src/storage/migrate.ts'
import { entities } from '../../src/tables.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { itOnAny } from '../support/any-storage.ts'
import { boot, bootOn, emptyStorage, freshStorage, onEachStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { errorOf, openNode, refusalOf } from '../support/cores.ts'
import { documented } from '../support/documented.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, web } from '../support/fixtures.ts'
import { query } from '../support/postgres.ts'
import { refresh, tokensFor } from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { codeOf, factorOwner } from '../support/second-factor.ts'
import type { Services } from '../support/services.ts'

/**
 * A migration that only a later version has.
 *
 * @param needs what a process must support from then on, if anything
 */
async function pretendNewer(env: Record<string, string>, needs: string[] = []): Promise<void> {
  const core = await openNode(env)
  await core.database.execute(
    `insert into schema_migrations (timestamp, name) values (9999999999999, 'Future9999999999999')`,
  )
  await core.database.execute('insert into schema_needs select unnest($1::text[])', [needs])
  await core.close()
}

onEachStorage('migrations', (kind) => {
  const test = itOnAny(kind)
  it('refuse a schema that only a newer version supports, under every policy', async () => {
    const env = await freshStorage(kind)
    await pretendNewer(env, ['Future9999999999999'])
    for (const schema of ['migrate', 'require'] as const) {
      const refusal = await refusalOf(openNode(env, schema), 'storage_newer')
      expect(refusal.message).to.contain('does not work with Future9999999999999')
    }
    const outcome = await runHere(['keys', 'list'], env)
    expect(outcome.code).to.be.above(0)
    expect(outcome.stdout + outcome.stderr).to.contain('newer version')
  })

  it('accept a newer compatible schema: older versions start and can be rolled back to (R-16)', async () => {
    const env = await freshStorage(kind)
    await pretendNewer(env, ['OwnWord1760000000037'])
    for (const schema of ['migrate', 'require'] as const) {
      const core = await openNode(env, schema)
      const state = await migrationState(core.database.dataSource)
      expect(state).to.deep.include({ unknown: ['Future9999999999999'], lacking: [], pending: [] })
      // The later release may have dropped it.
      await core.database.execute('drop index if exists ix_grants_account')
      expect(await migrate(core.database.dataSource)).to.deep.equal([])
      expect((await migrationState(core.database.dataSource)).indexes).to.deep.equal([])
      const [index] = await core.database.query(`select to_regclass('ix_grants_account') as made`)
      expect(index).to.deep.equal({ made: null })
      await core.close()
    }
    expect(await runHere(['migrate', '--check'], env)).to.deep.include({ code: 0 })
  })

  test('refuse a schema that two diverged versions have changed', async () => {
    const env = await freshStorage(kind)
    await pretendNewer(env)
    const core = await openNode(env)
    await core.database.execute(`delete from schema_migrations where name like 'OwnWord%'`)
    await core.close()
    const refusal = await refusalOf(openNode(env), 'storage_newer')
    expect(refusal.message).to.contain('lacks OwnWord1760000000037')
  })

  test('change nothing the second time', async () => {
    const core = await openNode(await freshStorage(kind))
    const { dataSource } = core.database
    expect(await migrate(dataSource)).to.deep.equal([])
    expect(await migrationState(dataSource)).to.deep.equal({
      pending: [],
      unknown: [],
      lacking: [],
      indexes: [],
    })
    await core.close()
  })
})

const onServices = servicesFound() ? describe : describe.skip
onServices('migrations of a shared database', () => {
  const openBare = (env: Record<string, string>, extra: object = {}) =>
    openDatabase({
      url: env['DATABASE_URL'] as string,
      entities,
      poolSize: 2,
      connectPatience: 3000,
      extra,
    })

  it('are required when they are pending', async () => {
    const env = await emptyStorage()
    const refusal = await refusalOf(openNode(env, 'require'), 'migrations_pending')
    expect(refusal.message).to.contain('keyturn migrate')

    const bare = await openBare(env)
    const applied = await migrate(bare.dataSource)
    expect(applied).to.have.length.above(0)
    await bare.close()
    await (await openNode(env, 'require')).close()
  })

  it('ignore statement_timeout, also while they wait for each other', async () => {
    const env = await emptyStorage()
    const bare = await openBare(env, { statement_timeout: 300 })
    const other = await openBare(env)
    const runner = other.dataSource.createQueryRunner()
    await runner.query('select pg_advisory_lock(4917260331)')
    const migrating = migrate(bare.dataSource)
    await other.query('select pg_sleep(0.5)')
    await runner.query('select pg_advisory_unlock(4917260331)')
    await runner.release()
    expect(await migrating).to.have.length.above(0)
    const limit = await bare.query('show statement_timeout')
    expect(limit, 'back in force').to.deep.equal([{ statement_timeout: '300ms' }])
    await bare.close()
    await other.close()
  })

  it('do not block work on a table while they wait for its lock, and get it in the end (R-16)', async () => {
    const env = await freshStorage('services')
    const bare = await openBare(env)
    const undone: string[] = []
    for (let name = ''; !name.startsWith('FewAmongMany'); undone.push(name)) {
      const [last] = await bare.query<{ name: string }>(
        'select name from schema_migrations order by id desc limit 1',
      )
      name = last?.name ?? 'FewAmongMany'
      await bare.dataSource.undoLastMigration()
    }
    const other = await openBare(env, { statement_timeout: 2500 })
    const runner = other.dataSource.createQueryRunner()
    await runner.startTransaction()
    await runner.query('lock table accounts in row exclusive mode')
    const migrating = migrate(bare.dataSource)
    await eventually('the migration waits for the table', async () => {
      const waiting = await other.query(
        `select 1 from pg_locks where relation = 'accounts'::regclass and not granted`,
      )
      return waiting.length === 1
    })
    // Queues behind the lock request, and would time out after two and a half seconds.
    await other.execute('update accounts set updated_at = updated_at')
    await runner.commitTransaction()
    await runner.release()
    expect(await migrating).to.deep.equal(undone.toReversed())
    const [limit] = await bare.query<{ lock_timeout: string }>('show lock_timeout')
    expect(limit?.lock_timeout, 'back in force').to.equal('0')
    await bare.close()
    await other.close()
  })

  it('create indexes while others write, and again after an interrupted attempt (R-16)', async () => {
    const env = await freshStorage('services')
    const bare = await openBare(env)
    const other = await openBare(env, { statement_timeout: 2500 })
    const name = 'ix_changes_changed_in'
    const write = (subject: string) =>
      other.execute(`insert into changes values ('default', 'client', $1, now(), 0)`, [subject])
    await other.execute(
      `insert into changes select 'default', 'client', n::text, now(), n from generate_series(1, 50000) n`,
    )
    await other.execute(`drop index ${name}`)
    const runner = other.dataSource.createQueryRunner()
    await runner.startTransaction()
    await runner.query('update changes set changed_in = 1 where changed_in < 10')

    const cutShort = await openBare(env, { statement_timeout: 100 })
    const error = await errorOf(
      cutShort.execute(`create index concurrently ${name} on changes (changed_in)`),
    )
    expect(String(error)).to.include('statement timeout')
    await cutShort.close()
    expect(await migrationState(bare.dataSource)).to.deep.include({ pending: [], indexes: [name] })

    const third = await openBare(env)
    const migrating = [migrate(bare.dataSource), migrate(third.dataSource)]
    await eventually('one migration waits for the writer', async () => {
      const waiting = await other.query(
        `select 1 from pg_stat_activity where datname = current_database()
           and query like '%index concurrently%' and wait_event_type = 'Lock'`,
      )
      return waiting.length === 1
    })
    // Each would time out after two and a half seconds.
    for (let n = 0; n < 20; n++) await write(`beside ${n}`)
    await runner.commitTransaction()
    await runner.release()
    expect(await Promise.all(migrating)).to.deep.equal([[], []])
    const found = await other.query(
      'select i.indisvalid as valid from pg_index i where i.indexrelid = $1::regclass',
      [name],
    )
    expect(found).to.deep.equal([{ valid: true }])
    expect((await migrationState(bare.dataSource)).indexes).to.deep.equal([])
    await third.close()
    await bare.close()
    await other.close()
  })

  it('keep accounts, clients, keys and families of the first schema', async () => {
    const before = await boot('services')
    await furnish(before)
    const tokens = await tokensFor(before, web, { scope: 'openid offline_access' })
    await before.stop()
    const bare = await openBare(before.env)
    const { dataSource } = bare
    for (const _ of dataSource.migrations.slice(1)) await dataSource.undoLastMigration()
    expect(await migrate(dataSource)).to.have.length(dataSource.migrations.length - 1)
    await bare.close()

    const after = await bootOn('services', before.env, new URL(before.issuer).port)
    expect((await refresh(after, web, tokens)).status).to.equal(200)
    expect(await tokensFor(after, web, { scope: 'openid' })).to.have.property('id_token')
    await after.stop()
  })

  it('keep the data from before passkeys, sign-up, policies, places and refusals', async () => {
    const env = await freshStorage('services')
    const before = await openNode(env)
    const person = await factorOwner(before)
    const account = await before.accounts.byIdentifier(defaultTenant, person.username)
    const { dataSource } = before.database
    const count = dataSource.migrations.length
    while ((await before.database.query('select 1 from schema_migrations')).length > 16) {
      await dataSource.undoLastMigration()
    }
    await before.close()

    const bare = await openBare(env)
    expect(await migrate(bare.dataSource)).to.have.length(count - 16)
    await bare.close()
    const core = await openNode(env, 'require')
    expect(await core.tenants.find(defaultTenant)).to.deep.include({
      ...{ requireMfa: false, emailCodes: false, signUp: { mode: 'closed', domains: [] } },
    })
    const { username, password, id } = person
    const visitor = { ip: '192.0.2.1' }
    const signedIn = await core.accounts.authenticate(defaultTenant, username, password, visitor)
    expect(signedIn).to.deep.equal({ account, secondStep: 'factor' })
    expect(await core.mailedCodes.since(defaultTenant, id)).to.equal(undefined)
    expect(await core.factors.list(defaultTenant, id)).to.have.length(1)
    expect(await core.factors.check(defaultTenant, id, codeOf(person.secret), visitor)).to.equal(
      'totp',
    )
    await core.close()
  })

  it('and the first start happen once when five nodes start in parallel (R-24)', async () => {
    const env = await emptyStorage()
    const cores = await Promise.all(Array.from({ length: 5 }, () => openNode(env)))
    const operators = await Promise.all(cores.map((core) => core.firstStart()))
    expect(operators.filter((operator) => operator !== undefined)).to.have.length(1)

    const [one] = cores as [Core]
    const applied = await one.database.query('select name from schema_migrations')
    expect(applied).to.have.length(one.database.dataSource.migrations.length)
    expect(await one.accounts.lists.page(defaultTenant, { limit: 9 })).to.have.length(1)
    const keys = await one.signing.list(defaultTenant)
    expect(keys.map(({ alg }) => alg)).to.have.members(['ES256', 'RS256'])

    const sets = await Promise.all(
      cores.map(async (core) =>
        (await core.signing.open(defaultTenant)).signing.map(({ kid }) => kid),
      ),
    )
    for (const set of sets) expect(set).to.deep.equal(sets[0])
    const secrets = await Promise.all(
      cores.map((core) => core.sharedSecrets.get(defaultTenant, 'cookies')),
    )
    for (const secret of secrets) expect(secret).to.deep.equal(secrets[0])
    await Promise.all(cores.map((core) => core.close()))
  })
})

const suite = servicesFound() ? describe : describe.skip
suite('migrations and the roles of Postgres', () => {
  it('are reported as invisible to a role whose search path omits their schema', async () => {
    const env = await freshStorage('services')
    const url = new URL(env['DATABASE_URL'] as string)
    url.searchParams.set('options', '-c search_path=elsewhere')
    const blind = { ...env, DATABASE_URL: url.href }
    const { message } = await refusalOf(openNode(blind, 'require'), 'migrations_pending')
    expect(message).to.match(
      /Run "keyturn migrate" first\. .* not visible to the role of DATABASE_URL has migrations \(public\): grant the role usage/,
    )
    const empty = await emptyStorage()
    const client = new pg.Client({ connectionString: empty['DATABASE_URL'] })
    await client.connect()
    // As in a database of Rails.
    await client.query('create schema rails; create table rails.schema_migrations (version text)')
    await client.end()
    const { message: plain } = await refusalOf(openNode(empty, 'require'), 'migrations_pending')
    expect(plain).to.match(/Run "keyturn migrate" first\.$/)
  })

  it('run as an owner role, while the server runs as a role that owns nothing (docs/deployment.md)', async () => {
    const { postgres, admin } = services() as Services
    const name = `roles_${process.pid}`
    const [roles = '', grants = ''] = documented('deployment.md', 'sql').map((sql) =>
      sql.replaceAll('keyturn', name),
    )
    const statements = (sql: string) => sql.split(';').filter((each) => each.trim())
    const urlOf = (role: string) => postgres.databaseUrl(name).replace('postgres@', `${role}@`)
    for (const sql of statements(roles)) await admin(sql)
    try {
      for (const sql of statements(grants)) await query(postgres.databaseUrl(name), sql)
      const env = await freshStorage('services')
      const owner = await openNode({ ...env, DATABASE_URL: urlOf(`${name}_owner`) })
      await owner.close()
      const server = await openNode({ ...env, DATABASE_URL: urlOf(name) }, 'require')
      try {
        expect(await server.firstStart()).to.have.property('oneTimePassword')
        expect(await errorOf(server.database.query('drop table outbox'))).to.match(/must be owner/)
      } finally {
        await server.close()
      }
    } finally {
      await admin(`drop database if exists ${name} with (force)`)
      for (const role of [name, `${name}_owner`]) await admin(`drop role if exists ${role}`)
    }
  })
})
