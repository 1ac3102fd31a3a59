import { expect } from 'chai'
import { type DataSource, MigrationExecutor } from 'typeorm'
import { RdbmsSchemaBuilder } from 'typeorm/schema-builder/RdbmsSchemaBuilder.js'
import { migrate } from '../../src/storage/migrate.ts'
import { isForeignKeyViolation } from '../../src/storage/violations.ts'
import { noSignUp } from '../../src/tenants/tenant.ts'
import { itOnAny } from '../support/any-storage.ts'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, openedCore } from '../support/cores.ts'

/** Removes what Postgres formats its own way: case, brackets, quotes. */
const plain = (definition: string) => definition.toLowerCase().replaceAll(/[()"]/g, '')

onEachStorage('schema', (kind) => {
  const test = itOnAny(kind)
  const core = openedCore(kind)

  /**
   * What TypeORM would change. It inspects all tables concurrently, but over one connection, so its queries are run one
   * at a time.
   * @param change a statement to run before, rolled back afterwards
   */
  async function difference(change = 'select 1'): Promise<string[]> {
    const { dataSource } = core.database
    const runner = dataSource.createQueryRunner()
    const ask = runner.query.bind(runner) as (...asked: unknown[]) => Promise<unknown>
    const release = runner.release.bind(runner)
    let last: Promise<unknown> = Promise.resolve()
    const query = (...asked: unknown[]) => {
      const next = last.then(() => ask(...asked))
      last = next.catch(() => undefined)
      return next
    }
    const turns = Object.assign(runner, { query, release: async () => undefined })
    const overOne = Object.assign(Object.create(dataSource) as DataSource, {
      createQueryRunner: () => turns,
    })
    await ask('begin')
    try {
      await ask(change)
      const { upQueries } = await new RdbmsSchemaBuilder(overOne).log()
      return upQueries.map((wanted) => wanted.query)
    } finally {
      await ask('rollback')
      await release()
    }
  }

  /** Tables, columns, keys and indexes as Postgres prints them. */
  async function shape(): Promise<string[]> {
    const rows = await core.database.query<{ line: string }>(
      `select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
         from information_schema.columns where table_schema = 'public'
       union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
         from pg_constraint where connamespace = 'public'::regnamespace
       union all select indexdef from pg_indexes where schemaname = 'public'
       order by 1`,
    )
    return rows.map(({ line }) => line)
  }

  it('matches the mapping', async () => {
    expect(await difference()).to.deep.equal([])
  })

  test('differs from the mapping if a column, a key or an index is missing', async () => {
    const changes = [
      'alter table grants drop column revoked_reason',
      'alter table families drop constraint fk_families_grant',
      'alter table accounts drop constraint uq_accounts_email',
      'drop index uq_grants_live',
      'alter table sessions alter column amr type text',
      'alter table single_use alter column expires_at drop not null',
    ]
    for (const change of changes) {
      expect(await difference(change), change).to.not.deep.equal([])
    }
    expect(await difference()).to.deep.equal([])
  })

  it('has the cascades and filters of the mapping, which TypeORM does not compare', async () => {
    const { dataSource } = core.database
    for (const { tableName, foreignKeys, indices } of dataSource.entityMetadatas) {
      const constraints = await core.database.query<{ name: string; definition: string }>(
        `select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
         where conrelid = $1::regclass and contype = 'f'`,
        [tableName],
      )
      const wanted = foreignKeys.map(
        (key) =>
          `${key.name}: FOREIGN KEY (${key.columnNames.join(', ')}) REFERENCES ` +
          `${key.referencedEntityMetadata.tableName}(${key.referencedColumnNames.join(', ')}) ON DELETE ${key.onDelete}`,
      )
      const there = constraints.map(({ name, definition }) => `${name}: ${definition}`)
      expect(there, tableName).to.have.members(wanted)

      for (const index of indices) {
        const [row] = await core.database.query<{ indexdef: string }>(
          `select indexdef from pg_indexes where schemaname = 'public' and indexname = $1`,
          [index.name],
        )
        const columns = index.columns.map(({ databaseName }) => databaseName).join(', ')
        const unique = index.isUnique ? 'unique ' : ''
        const where = index.where ? ` where ${index.where}` : ''
        expect(plain(row?.indexdef ?? '')).to.equal(
          plain(
            `create ${unique}index ${index.name} on public.${tableName} using btree (${columns})${where}`,
          ),
        )
      }
    }
  })

  it('has a mapping for every table', async () => {
    const rows = await core.database.query<{ tablename: string }>(
      `select tablename from pg_tables where schemaname = 'public'`,
    )
    const mapped = core.database.dataSource.entityMetadatas.map(({ tableName }) => tableName)
    // These tables describe the schema itself.
    const bare = ['schema_migrations', 'schema_needs']
    expect(rows.map(({ tablename }) => tablename)).to.have.members([...mapped, ...bare])
  })

  test('is the same after all migrations were undone and repeated', async () => {
    const { dataSource } = core.database
    const before = await shape()
    const executor = new MigrationExecutor(dataSource)
    for (const _ of dataSource.migrations) await executor.undoLastMigration()
    const left = await core.database.query(
      `select tablename from pg_tables where schemaname = 'public'`,
    )
    expect(left).to.deep.equal([{ tablename: 'schema_migrations' }])
    await migrate(dataSource)
    expect(await shape()).to.deep.equal(before)
    expect(await core.tenants.list()).to.deep.equal([
      {
        id: 'default',
        name: 'Default',
        signUp: noSignUp,
        requireMfa: false,
        emailCodes: false,
        disabled: false,
      },
    ])
  })

  test('has the tenant in every primary key, unique key and foreign key', async () => {
    const keys = await core.database.query<{ name: string; columns: string[] }>(
      `select i.indexrelid::regclass::text as name, array_agg(a.attname::text) as columns
         from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
         join pg_class c on c.oid = i.indrelid
         where i.indisunique and c.relnamespace = 'public'::regnamespace and c.relname <> 'schema_migrations'
         group by 1
       union all
       select c.conname, array_agg(a.attname::text)
         from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
         where c.contype = 'f' and c.connamespace = 'public'::regnamespace group by 1`,
    )
    expect(keys.length).to.be.above(40)
    const without = keys.filter(({ columns }) => !columns.includes('tenant_id'))
    expect(without).to.have.deep.members([
      { name: 'pk_tenants', columns: ['id'] },
      // Of the whole installation: the keys that encrypt the sealing keys of all tenants.
      { name: 'pk_key_encryption_keys', columns: ['id'] },
      { name: 'pk_served_periods', columns: ['id'] },
      { name: 'pk_schema_needs', columns: ['migration'] },
    ])
  })

  test('matches tenant with tenant in every foreign key', async () => {
    const pairs = await core.database.query<{ name: string; own: string; theirs: string }>(
      `select c.conname as name, o.attname::text as own, t.attname::text as theirs
       from pg_constraint c, unnest(c.conkey, c.confkey) as k (own, theirs), pg_attribute o, pg_attribute t
       where c.contype = 'f' and c.connamespace = 'public'::regnamespace
         and o.attrelid = c.conrelid and o.attnum = k.own and t.attrelid = c.confrelid and t.attnum = k.theirs
         and o.attname = 'tenant_id'`,
    )
    for (const { name, theirs } of pairs) {
      expect(theirs, name).to.equal(name.endsWith('_tenant') ? 'id' : 'tenant_id')
    }
  })

  test('cannot store a reference from one tenant to another', async () => {
    const { database } = core
    const time = new Date()
    await database.execute(
      `insert into tenants (id, name, created_at) values ('one', 'One', $1), ('two', 'Two', $1)`,
      [time],
    )
    for (const tenant of ['one', 'two']) {
      const id = (what: string) => `${what}-of-${tenant}`
      await database.execute(
        `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
         values ($1, $2, 'a@example.com', 'a@example.com', false, '{}', $3, $3)`,
        [tenant, id('account'), time],
      )
      await database.execute(
        `insert into clients (tenant_id, client_id, metadata, created_at, updated_at) values ($1, $2, '{}', $3, $3)`,
        [tenant, id('client'), time],
      )
      await database.execute(
        `insert into sessions (tenant_id, uid, handle_hash, transient, created_at, updated_at, expires_at)
         values ($1, $2, $2, false, $3, $3, $3)`,
        [tenant, id('session'), time],
      )
      await database.execute(
        `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
         values ($1, $2, $3, $4, '{}', $5, $5)`,
        [tenant, id('grant'), id('account'), id('client'), time],
      )
    }
    const crossing: Record<string, string> = {
      'grants → accounts': `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
        values ('one', 'x', 'account-of-two', 'client-of-one', '{}', $1, $1)`,
      'grants → clients': `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
        values ('one', 'x', 'account-of-one', 'client-of-two', '{}', $1, $1)`,
      'families → grants': `insert into families (tenant_id, id, grant_id, account_id, client_id, ends_with_session,
          created_at, expires_at)
        values ('one', 'x', 'grant-of-two', 'account-of-one', 'client-of-one', false, $1, $1)`,
      'session_clients → sessions': `insert into session_clients (tenant_id, session_uid, client_id, sid,
          persists_logout, created_at)
        values ('one', 'session-of-two', 'client-of-one', 'x', false, $1)`,
      'sessions → accounts': `insert into sessions (tenant_id, uid, handle_hash, account_id, transient, created_at,
          updated_at, expires_at)
        values ('one', 'x', 'x', 'account-of-two', false, $1, $1, $1)`,
      'passwords → accounts': `insert into passwords (tenant_id, account_id, hash, one_time, changed_at)
        values ('one', 'account-of-two', 'x', false, $1)`,
    }
    for (const [reference, sql] of Object.entries(crossing)) {
      const error = await errorOf(database.execute(sql, [time]))
      expect(isForeignKeyViolation(error), `${reference}: ${error.message}`).to.equal(true)
    }
  })
})
