import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import pg from 'pg'
import { temporaryFolder } from '../support/child.ts'
import { runHere } from '../support/command-here.ts'
import { eventually } from '../support/eventually.ts'
import { type Outcome, runCommand, startCommand } from '../support/node-process.ts'
import { services, servicesFound } from '../support/root-hooks.ts'

interface Result {
  created: number
  updated: number
  drift?: boolean
  undeclared?: object[]
  changes: Array<{ kind: string; id: string; outcome: string; members: object[] }>
}

const hash = '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'

/** A document with every kind of declaration. */
const everything = {
  resource_servers: [
    {
      identifier: 'https://api.example.com',
      name: 'Orders',
      scopes: ['w', 'r'],
      introspection_clients: ['off', 'web'],
      default: true,
    },
    { identifier: 'urn:opaque', access_token_format: 'opaque', open: true },
  ],
  clients: [
    {
      client_id: 'web',
      client_name: 'Läden: "A" # b',
      client_secret: 'web-secret-0123456789',
      redirect_uris: ['https://b.example.com/cb', 'https://a.example.com/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      resources: ['https://api.example.com'],
      contacts: ['a@example.com'],
      refresh_replay_window: 0,
    },
    {
      client_id: 'native',
      application_type: 'native',
      redirect_uris: ['com.example.app:/callback', 'http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      default_max_age: 60,
      require_mfa: true,
    },
    {
      client_id: 'a.b',
      client_secret: 'a-client-secret-of-32-characters!',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_jwt',
      scope: 'r w',
    },
    { client_id: 'a-b', grant_types: ['client_credentials'], scope: 'r' },
    { client_id: 'off', grant_types: ['client_credentials'], disabled: true },
  ],
  accounts: [
    {
      email: 'Alice@example.com',
      name: 'Alice',
      username: 'alice',
      password: 'correct horse battery',
    },
    { email: 'bob@example.com', email_verified: true, roles: ['operator'], password_hash: hash },
    { email: 'off@example.com', disabled: true },
  ],
  tenants: [
    { id: 'default', name: 'Main' },
    {
      id: 'acme',
      name: 'Acme: "1"',
      clients: [{ client_id: 'web', redirect_uris: ['https://acme.example.com/cb'] }],
      accounts: [{ email: 'alice@example.com' }],
    },
    { id: 'off', name: 'Off', disabled: true },
  ],
}

describe('Configuration as code', () => {
  if (!servicesFound()) return
  const KEY_ENCRYPTION_KEY = randomBytes(32).toString('base64')
  const names = ['declarative', 'declarative_copy'] as const
  let folder: string

  const envOf = (name: string) => ({
    DATABASE_URL: services()?.databaseUrl(name) ?? '',
    KEY_ENCRYPTION_KEY,
  })
  const run = (args: string[], name: string = names[0]): Promise<Outcome> =>
    runHere(args, envOf(name))

  async function done(args: string[], name?: string): Promise<string> {
    const { code, stdout, stderr } = await run(args, name)
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    return stdout
  }

  async function fileOf(name: string, content: object | string): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  async function check(
    file: string,
    ...options: string[]
  ): Promise<Result & { code: number | null }> {
    const { code, stdout } = await run(['apply', file, '--check', '--json', ...options])
    return { code, ...(JSON.parse(stdout) as Result) }
  }

  async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client(envOf(names[0]).DATABASE_URL)
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  /** All rows of all tables. */
  const rows = () =>
    connected(async (client) => {
      const tables = await client.query<{ name: string }>(
        `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
      )
      const found: Record<string, unknown[]> = {}
      for (const { name } of tables.rows) {
        const { rows: all } = await client.query(`select t::text from ${name} t order by 1`)
        found[name] = all
      }
      return found
    })

  before(async () => {
    folder = await temporaryFolder('declarative')
    for (const name of names) await services()?.createDatabase(name)
    await Promise.all(names.map((name) => done(['migrate'], name)))
    // The first command that opens a database registers the key-encryption key.
    await done(['export'])
  })
  after(async () => {
    for (const name of names) await services()?.dropDatabase(name)
  })

  it('apply --plan and --check change no row of any table and show no secret', async () => {
    const file = await fileOf('everything.json', everything)
    const before = await rows()
    const text = await done(['apply', file, '--plan'])
    expect(text)
      .to.include('+ client web\n')
      .and.match(/^ {4}\+ client_secret: +\(sensitive\)$/m)
      .and.match(/^ {4}\+ redirect_uris: +https:\/\/b\.example\.com\/cb$/m)
      .and.not.match(/web-secret|correct horse|\$2b\$/)
    expect(await check(file)).to.include({ code: 1, drift: true })
    expect(await rows()).to.deep.equal(before)
  })

  it('export | apply --plan is empty, and apply makes an empty installation equal', async () => {
    const file = await fileOf('everything.json', everything)
    await done(['apply', file])
    expect(await check(file)).to.include({ code: 0, drift: false })

    const exported = await done(['export'])
    expect(exported)
      .to.include('# client_secret: { env: KEYTURN_SECRET_WEB }')
      .and.include('# client_secret: { env: KEYTURN_SECRET_ACME_WEB }')
      .and.include('# client_secret: { env: KEYTURN_SECRET_A_B_2 }')
    const copy = await fileOf('export.yaml', exported)
    const plan = await check(copy, '--complete')
    expect(plan).to.include({ code: 0, drift: false, created: 0, updated: 0 })
    expect(plan.changes.flatMap(({ members }) => members)).to.deep.equal([])
    expect(plan.undeclared).to.deep.equal([])

    await done(['apply', copy], names[1])
    expect(await done(['export'], names[1])).to.equal(exported)
  })

  it('apply --prune deletes undeclared objects; a command without a server exports the same', async () => {
    const env = envOf(names[1])
    const file = await fileOf('export.yaml', await done(['export'], names[1]))
    await done(
      ['clients', 'create', '--id', 'left-over', '--grant', 'client_credentials'],
      names[1],
    )
    expect(await done(['export'], names[1])).to.include('left-over')
    await done(['apply', file, '--prune', '--yes'], names[1])
    const exported = await runCommand(['export'], env)
    expect(exported).to.deep.include({ code: 0, stderr: '' })
    expect(exported.stdout)
      .to.equal(await done(['export'], names[1]))
      .and.not.include('left-over')
  })

  it('apply imports password hashes of another system', async () => {
    const found = await connected((client) =>
      client.query(`select p.hash from passwords p join accounts a on a.id = p.account_id
        where a.email = 'bob@example.com'`),
    )
    expect(found.rows).to.deep.equal([{ hash }])
  })

  it('apply --check finds drift: changed and undeclared objects', async () => {
    const file = await fileOf('export.yaml', await done(['export']))
    await connected((client) =>
      client.query(`
        update clients set disabled_at = now() where tenant_id = 'default' and client_id = 'web';
        update clients set metadata = metadata || '{"scope": "r"}' where client_id = 'native';
        update accounts set disabled_at = now() where email = 'bob@example.com';
        update tenants set disabled_at = null where id = 'off';
        insert into tenants (id, name, created_at) values ('extra', 'Extra', now())`),
    )
    const found = await check(file)
    expect(found).to.include({ code: 1, drift: true, updated: 4 })
    const changed = found.changes.filter(({ outcome }) => outcome !== 'unchanged')
    expect(changed.map(({ id, members }) => [id, members])).to.deep.equal([
      ['off', [{ path: 'disabled', before: false, after: true }]],
      ['native', [{ path: 'scope', before: 'r' }]],
      ['web', [{ path: 'disabled', before: true, after: false }]],
      ['bob@example.com', [{ path: 'disabled', before: true, after: false }]],
    ])
    await done(['apply', file])
    expect(await check(file)).to.include({ code: 0, drift: false })
    const complete = await check(file, '--complete')
    expect(complete).to.include({ code: 1, drift: true })
    expect(complete.undeclared).to.deep.equal([{ tenant: 'extra', kind: 'tenant', id: 'extra' }])
  })

  it('apply reports which resource server loses the default to another', async () => {
    const file = await fileOf('default.json', {
      resource_servers: [{ identifier: 'urn:new', default: true }],
    })
    const { changes } = await check(file)
    expect(changes[1]).to.deep.include({
      id: 'https://api.example.com',
      outcome: 'updated',
      members: [{ path: 'default', before: true, after: false }],
    })
  })

  /** A document that adds signing keys with a tenant, and whose last item the database refuses. */
  const documentWith = (accounts: object[]) => ({
    resource_servers: [{ identifier: 'urn:eddsa', access_token_signing_alg: 'EdDSA' }],
    clients: [
      {
        client_id: 'web',
        client_secret: 'changed-0123456789',
        grant_types: ['client_credentials'],
      },
    ],
    tenants: [{ id: 'fresh', name: 'Fresh', accounts }],
  })

  it('apply changes no row if the last item fails: no client, no key of a new tenant', async () => {
    const file = await fileOf(
      'failing.json',
      documentWith([
        { email: 'one@example.com', username: 'same' },
        { email: 'two@example.com', username: 'same' },
        { email: 'three@example.com', username: 'same' },
      ]),
    )
    const before = await rows()
    const { code, stderr } = await run(['apply', file])
    expect(code).to.equal(1)
    for (const email of ['two@example.com', 'three@example.com']) {
      expect(stderr).to.include(`${email}: its e-mail address or user name belongs to another`)
    }
    expect(stderr).not.to.include('one@example.com')
    expect(await rows()).to.deep.equal(before)
  })

  it('apply cannot remove the last operator, but can replace it', async () => {
    const apply = async (name: string, accounts: object[]) =>
      run(['apply', await fileOf(name, { accounts })])
    const before = await rows()
    for (const change of [{ roles: [] }, { disabled: true }]) {
      const { code, stderr } = await apply('none.json', [{ email: 'bob@example.com', ...change }])
      expect(code).to.equal(1)
      expect(stderr).to.include(
        'account bob@example.com: expected at least one enabled operator of',
      )
    }
    expect(await rows()).to.deep.equal(before)
    const heir = { email: 'heir@example.com', roles: ['operator'] }
    const { code } = await apply('heir.json', [heir, { email: 'bob@example.com', roles: [] }])
    expect(code).to.equal(0)
  })

  it('apply changes no row if it is killed before its last item; a concurrent export neither waits nor sees any of it', async () => {
    const file = await fileOf('killed.json', documentWith([{ email: 'one@example.com' }]))
    const before = await rows()
    const exported = await done(['export'])
    await connected(async (client) => {
      await client.query('begin')
      await client.query('lock table accounts in share row exclusive mode')
      const child = await startCommand(['apply', file], envOf(names[0]))
      await eventually('apply waits for its last item', async () => {
        const { rows: waiting } = await client.query(
          `select 1 from pg_locks where relation = 'accounts'::regclass and not granted`,
        )
        return waiting.length > 0
      })
      expect(await done(['export'])).to.equal(exported)
      child.signal('SIGKILL')
      expect(await child.exit).to.include({ signal: 'SIGKILL' })
      await client.query('rollback')
    })
    await eventually('Postgres has rolled the transaction back', async () => {
      expect(await rows()).to.deep.equal(before)
      return true
    })
  })

  it('two concurrent apply runs end with the complete content of one of the files', async () => {
    const clients = Array.from({ length: 40 }, (_, i) => i)
    const variant = (name: string, ids: number[]) => ({
      clients: ids.map((i) => ({
        client_id: `c${i}`,
        client_name: name,
        token_endpoint_auth_method: 'none',
        redirect_uris: ['https://c.example.com/cb'],
      })),
    })
    const files = [
      await fileOf('red.json', variant('red', clients)),
      await fileOf('blue.json', variant('blue', clients.toReversed())),
    ]
    // Start when both are waiting.
    const both = await connected(async (client) => {
      await client.query('begin')
      await client.query('lock table clients in share row exclusive mode')
      const started = files.map((file) => done(['apply', file]))
      await eventually(
        'one run waits for a row lock, the other outside any statement that could time out',
        async () => {
          // Within a transaction, statistics stay those of the first query.
          await client.query('select pg_stat_clear_snapshot()')
          const { rows: at } = await client.query<{ doing: string }>(
            `select case when wait_event_type = 'Lock' then 'in a statement' else state end as doing
           from pg_stat_activity where datname = current_database() and xact_start is not null
             and pid <> pg_backend_pid() and backend_type = 'client backend' order by 1`,
          )
          return at.map(({ doing }) => doing).join() === 'idle in transaction,in a statement'
        },
      )
      await client.query('rollback')
      return started
    })
    await Promise.all(both)
    const found = await connected((client) =>
      client.query(`select metadata->>'client_name' as name, count(*)::int from clients
        where client_id ~ '^c[0-9]+$' group by 1`),
    )
    expect(found.rows).to.have.lengthOf(1)
    expect(found.rows[0]).to.include({ count: 40 })
  })
})
