import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Exit, temporaryFolder } from '../support/child.ts'
import { runHere } from '../support/command-here.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import {
  type NodeProcess,
  type Outcome,
  runCommand,
  startCommand,
  startNode,
} from '../support/node-process.ts'

const clients = `
resource_servers:
  - identifier: https://api.example.com
    scopes: [orders:read]
    introspection_clients: [orders]
    default: true
clients:
  - client_id: web
    redirect_uris: [https://app.example.com/cb]
    grant_types: [authorization_code, refresh_token]
    resources: [https://api.example.com]
  - client_id: orders
    client_secret: { env: ORDERS_SECRET }
    grant_types: [client_credentials]
    scope: orders:read
accounts:
  - email: carol@example.com
    password: { file: carol.password }
    roles: [operator]
tenants:
  - id: acme
    name: Acme
    resource_servers:
      - { identifier: https://acme.example.com, scopes: [read], access_token_signing_alg: PS256 }
    clients:
      - { client_id: spa, token_endpoint_auth_method: none, redirect_uris: [https://spa.example.com/cb] }
`

describe('The command line on embedded storage', () => {
  let folder: string
  let env: Record<string, string>
  let file: string

  const run = (...args: string[]): Promise<Outcome> => runHere(args, env)

  function expectDone({ code, stdout, stderr }: Outcome): string {
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    return stdout
  }

  const done = async (...args: string[]) => expectDone(await run(...args))

  async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return JSON.parse(await done(...args, '--json')) as T
  }

  /** The error of a command that fails with one line on standard error. */
  function refusalIn({ code, stdout, stderr }: Outcome): string {
    expect(code).to.equal(1)
    expect(stdout).to.equal('')
    expect(stderr.trimEnd().split('\n'), stderr).to.have.lengthOf(1)
    expect(stderr).to.match(/^keyturn: /)
    return stderr
  }

  const refused = async (...args: string[]) => refusalIn(await run(...args))

  before(async () => {
    folder = await temporaryFolder('cli')
    env = {
      DATA_DIR: join(folder, 'data'),
      KEYS_DIR: join(folder, 'keys'),
      PORT: String(await freePort()),
      ORDERS_SECRET: 'orders-secret-0123456789',
    }
    file = join(folder, 'keyturn.yaml')
    await writeFile(file, clients)
    await writeFile(join(folder, 'carol.password'), 'correct horse battery staple\n')
  })

  describe('without a server', () => {
    it('doctor reports what is missing and creates nothing', async () => {
      const { code, stdout } = await run('doctor')
      expect(code).to.equal(0)
      expect(stdout).to.match(/^warn {2}storage .*npm start/m)
      expect(await readdir(folder)).to.not.include('data')
    })

    it('creates an account and shows its one-time password once', async () => {
      const created = await json('accounts', 'create', '--email', 'alice@example.com')
      const key = await stat(join(env['KEYS_DIR'] ?? '', 'key-encryption-key'))
      expect(key.mode & 0o777, 'the key-encryption key').to.equal(0o600)
      expect(created['one_time_password']).to.match(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/)
      expect(created['one_time_password_expires_in']).to.equal(86_400)
    })

    it('runs two concurrent commands one after the other', async () => {
      const create = (email: string) => ['accounts', 'create', '--email', email]
      const other = await startCommand(create('b1@example.com'), env)
      const claim = `lock-${other.pid}-`
      const isThere = async () =>
        (await readdir(env['DATA_DIR'] ?? '')).some((name) => name.startsWith(claim))
      await eventually('the process holds the data folder', isThere, { every: 1 })
      expect(await done(...create('b2@example.com'))).to.include('b2@example.com')
      expect(await other.exit, other.stderr()).to.deep.equal({ code: 0, signal: null })
      expect(other.stdout()).to.include('b1@example.com')
    })

    it('doctor fails without signing keys', async () => {
      const { code, stdout } = await run('doctor')
      expect(code).to.equal(1)
      expect(stdout).to.match(/^fail {2}signing keys .*npm start/m)
    })
  })

  describe('beside a running server', () => {
    let node: NodeProcess

    before(async () => {
      node = await startNode({ env })
    })
    after(() => node.stop())

    it('serve prints its address and locks the data folder', async () => {
      await eventually('the banner is printed', async () =>
        node.stdout().includes(`${node.url}/.well-known/openid-configuration`),
      )
      const socket = await stat(join(env['DATA_DIR'] ?? '', 'control.sock'))
      expect((socket.mode & 0o777).toString(8)).to.equal('600')
      expect(refusalIn(await runCommand(['serve'], env))).to.include(`process ${node.pid}`)
    })

    it('has the account that was created without it, and refuses a second one with the same address', async () => {
      const listed = await done('accounts', 'list', '--json')
      expect(listed).to.include('alice@example.com').and.not.include('password')
      expect(await refused('accounts', 'create', '--email', 'ALICE@example.com')).to.include(
        'There is already an account with this address',
      )
    })

    it('--plan changes nothing and shows what apply then does', async () => {
      const before = await done('export')
      const plan = await json<{ changes: unknown[] }>('apply', '--plan', file)
      expect(plan).to.include({ plan: true, created: 7 })
      expect(await done('export')).to.equal(before)
      const applied = await json<typeof plan>('apply', file)
      expect(applied.changes).to.deep.equal(plan.changes)
      expect(applied)
        .to.have.nested.property('client_secrets[0].client_secret')
        .that.matches(/^[\w-]{43}$/)
    })

    it('apply changes nothing when repeated, nor with its own export', async () => {
      expect(await json('apply', file)).to.include({ created: 0, updated: 0, unchanged: 7 })
      const exported = await done('export')
      expect(exported).to.not.match(/^[^#]*secret:|password|\$argon2/m)
      expect(exported).to.include('# client_secret: { env: KEYTURN_SECRET_ORDERS }')
      const copy = join(folder, 'export.yaml')
      await writeFile(copy, exported)
      expect(await json('apply', copy)).to.include({ created: 0, updated: 0 })
      expect(await json('export'))
        .to.have.property('clients')
        .with.lengthOf(2)
      expect(await done('export', '--tenant', 'acme'))
        .to.include('spa')
        .and.not.include('client_id: web')
    })

    it('apply changes nothing if a client is invalid, and names all faults', async () => {
      const before = await done('export')
      const broken = join(folder, 'broken.yaml')
      await writeFile(
        broken,
        `
resource_servers:
  - { identifier: https://news.example.com, scopes: [news:read] }
clients:
  - { client_id: new, redirect_uris: [https://new.example.com/cb], scope: openid news:read, resources: [https://news.example.com] }
  - { client_id: typo, redirect_uris: [https://new.example.com/cb], scope: 'news:red' }
  - { client_id: lost, redirect_uris: [https://lost.example.com/cb], resources: [https://nowhere.example.com] }
accounts:
  - { email: dave@example.com, password: short }
`,
      )
      const { code, stderr } = await run('apply', broken)
      expect(code).to.equal(1)
      expect(stderr)
        .to.include('client lost: resources: there is no resource server https://nowhere')
        .and.include('client typo: scope: no resource server has the scope news:red (news:read?)')
        .and.include('account dave@example.com: password: expected at least 15 characters')
        .and.not.include('client new')
      expect(await done('export')).to.equal(before)
    })

    it('refuses an invalid file before it sends a request', async () => {
      const unknown = join(folder, 'unknown.yaml')
      await writeFile(unknown, 'clients: [{ client_id: a, redirect_uri: x }]\n')
      const { code, stderr } = await run('apply', unknown)
      expect(code).to.equal(1)
      expect(stderr).to.include('clients[0].redirect_uri: unknown member')
    })

    it('creates a client from options, shows its secret once, and rotates it', async () => {
      const created = await json<Record<string, string>>(
        ...['clients', 'create', '--id', 'cli', '--redirect-uri', 'https://cli.example.com/cb'],
      )
      expect(created).to.include({
        client_id: 'cli',
        token_endpoint_auth_method: 'client_secret_basic',
      })
      const rotated = await json<Record<string, string>>('clients', 'rotate-secret', 'cli')
      expect(rotated['client_secret']).to.match(/^[\w-]{43}$/)
      expect(rotated['client_secret']).to.not.equal(created['client_secret'])
      const listed = await done('clients', 'list', '--json')
      expect(listed).to.not.include(created['client_secret'] ?? '')
      const { clients: all } = JSON.parse(listed) as { clients: Record<string, unknown>[] }
      const secrets = all.find((client) => client['client_id'] === 'cli')?.['secrets']
      expect(secrets).to.have.lengthOf(2)
      expect(
        await refused('clients', 'create', '--id', 'cli', '--grant', 'client_credentials'),
      ).to.include('already')
      const machine = ['clients', 'create', '--grant', 'client_credentials', '--scope']
      expect(await refused(...machine, 'openid,profile')).to.include(
        'scope: expected names separated by single spaces (RFC 6749 §3.3), got "openid,profile"',
      )
      expect(await refused(...machine, 'openid  profile')).to.include('got "openid  profile"')
      expect(await refused(...machine, 'orders:none')).to.include('known scopes: openid, profile')
    })

    it('creates a client from a file, and a public one without a secret', async () => {
      const client = join(folder, 'client.json')
      await writeFile(
        client,
        '{ "client_name": "From file", "redirect_uris": ["https://f.example/cb"] }',
      )
      expect(await json('clients', 'create', client)).to.include({ client_name: 'From file' })
      const args = ['--public', '--redirect-uri', 'http://localhost:8080/cb', '--id', 'public']
      expect(await json('clients', 'create', ...args)).to.not.have.property('client_secret')
      expect(await refused('clients', 'rotate-secret', 'public')).to.include('has no secret')
    })

    it('disables, enables and resets an account', async () => {
      expect(await json('accounts', 'disable', 'alice@example.com')).to.include({ changed: true })
      expect(await json('accounts', 'disable', 'alice@example.com')).to.include({ changed: false })
      expect(await done('accounts', 'reset', 'alice@example.com')).to.include('disabled')
      expect(await done('accounts', 'enable', 'alice@example.com')).to.include('is now enabled')
      expect(await refused('accounts', 'reset', 'nobody@example.com')).to.include(
        'There is no account "nobody@example.com"',
      )
      expect(await refused('accounts', 'list', '--tenant', 'nowhere')).to.include('acme, default')
    })

    it('lists the signing keys, also of other tenants', async () => {
      const { keys } = await json<{ keys: { alg: string; state: string }[] }>('keys', 'list')
      expect(keys.map(({ alg, state }) => `${alg} ${state}`).toSorted()).to.deep.equal([
        'ES256 active',
        'RS256 active',
      ])
      const text = await done('keys', 'list', '--tenant', 'acme')
      expect(text).to.match(/^ES256 {2}active {2}successor due 2\d{3}-/)
      expect(text, 'declared together with the tenant').to.match(/^PS256 {2}active /m)
      expect(text, 'a bar for the time in which it signs').to.match(/^ES256 .*█████/m)
      expect(text).to.match(/\^ now$/m)
    })

    it('rotates signing keys: publishes a successor, and refuses a second one (R-09)', async () => {
      interface Rotated {
        rotations: { outcome: string; next: { kid: string; alg: string; state: string } }[]
      }
      const first = await json<Rotated>('keys', 'rotate', '--alg', 'ES256', '--tenant', 'acme')
      expect(first.rotations.map(({ outcome, next }) => `${outcome} ${next.state}`)).to.deep.equal([
        'published pending',
      ])
      const { kid } = first.rotations[0]!.next
      const again = await done('keys', 'rotate', '--tenant', 'acme')
      expect(again).to.include(`ES256: nothing was done: key ${kid} is already pending`)
      expect(again).to.match(/^RS256: key .* is published and signs from 2/m)
      const jwks = await (await fetch(`${node.url}/t/acme/jwks`)).json()
      expect((jwks as { keys: { kid: string }[] }).keys.map((key) => key.kid)).to.include(kid)
      const text = await done('keys', 'list', '--tenant', 'acme')
      expect(text, 'published, then signing').to.match(/^ES256 .* ░+█+/m)
      const ahead = await json<Rotated>('keys', 'rotate', '--alg', 'EdDSA', '--tenant', 'acme')
      expect(ahead.rotations.map(({ outcome, next }) => `${outcome} ${next.state}`)).to.deep.equal([
        'published pending',
      ])
      expect((await run('keys', 'rotate', '--alg', 'HS256')).code).to.equal(2)
    })

    it('revokes a signing key, and shows what verifiers will see (R-10)', async () => {
      interface Listed {
        keys: { kid: string; alg: string; state: string }[]
      }
      const before = await json<Listed>('keys', 'list', '--tenant', 'acme')
      const find = (state: string) =>
        before.keys.find((key) => key.alg === 'ES256' && key.state === state)?.kid as string
      const [active, pending] = [find('active'), find('pending')]
      const text = await done('keys', 'revoke', active, '--tenant', 'acme')
      expect(text).to.include(`Key ${pending} signs in its place at once`)
      expect(text).to.include('300 s by Cache-Control').and.include('expire within 600 s')
      const jwks = await (await fetch(`${node.url}/t/acme/jwks`)).json()
      expect((jwks as { keys: { kid: string }[] }).keys.map((key) => key.kid))
        .to.include(pending)
        .and.not.include(active)
      expect(await done('keys', 'revoke', active, '--tenant', 'acme')).to.include('already revoked')
      expect(await refused('keys', 'revoke', 'nothing')).to.include('no such signing key')
    })

    it('migrate has nothing to do', async () => {
      expect(await done('migrate', '--check')).to.include('up to date')
      expect(await json('migrate')).to.deep.equal({ applied: [], pending: [], check: false })
    })

    it('doctor finds no problems', async () => {
      const { ok, checks } = await json<{ ok: boolean; checks: { status: string }[] }>('doctor')
      expect(ok).to.equal(true)
      expect(checks.filter(({ status }) => status !== 'ok')).to.deep.equal([])
      expect(checks).to.have.length.greaterThan(10)
    })

    it('a clean stop leaves neither socket nor lock', async () => {
      expect(await node.stop('SIGINT')).to.deep.equal({ code: 0, signal: null })
      // Mail to the created accounts is data, too.
      expect(await readdir(env['DATA_DIR'] ?? '')).to.have.members(['mail', 'postgres'])
    })
  })

  describe('afterwards', () => {
    it('a second signal ends a server with an open request, and the next command works without it', async () => {
      const node = await startNode({ env })
      const caller = createConnection(Number(env['PORT']), '127.0.0.1')
      caller.on('error', () => undefined)
      caller.write(
        'POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n',
      )
      // The request has arrived, and the server waits for its body.
      expect(String((await once(caller, 'data'))[0])).to.match(/^HTTP\/1.1 100 /)
      let exit: Exit | undefined
      void node.exit.then((outcome) => (exit = outcome))
      await eventually('the process ends', async () => {
        if (exit === undefined) node.signal('SIGTERM')
        return exit !== undefined
      })
      caller.destroy()
      expect(exit).to.deep.equal({ code: 1, signal: null })
      const left = await readdir(env['DATA_DIR'] ?? '')
      expect(left.filter((name) => name.startsWith('lock-'))).to.have.length(1)
      expect(await done('accounts', 'list')).to.include('alice@example.com')
    })

    it('a port in use is reported in one line', async () => {
      const taken = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => taken.once('listening', resolve))
      const { port } = taken.address() as AddressInfo
      const outcome = await runCommand(['serve'], { ...env, PORT: String(port) })
      taken.close()
      expect(refusalIn(outcome)).to.equal(
        `keyturn: PORT: port ${port} of 127.0.0.1 is in use by another program; stop it, or choose another port\n`,
      )
    })

    it('usage errors exit with 2, failures with 1, each with one line and no stack', async () => {
      for (const args of [
        ['nonsense'],
        ['accounts', 'create'],
        ['accounts', 'create', '--email', 'no address'],
        ['clients', 'create'],
        ['clients', 'create', 'file', '--id', 'x'],
        ['clients', 'rotate-secret', 'web', '--overlap', 'soon'],
        ['apply', join(folder, 'nowhere.yaml')],
        ['accounts', 'create', '--email', 'x@example.com', '--password-stdin'],
      ]) {
        const { code, stdout, stderr } = await run(...args)
        expect(code, stderr).to.equal(2)
        expect(stdout).to.equal('')
        expect(stderr).to.match(/^keyturn: .*\n$/)
      }
      expect(await runCommand(['nonsense'], env)).to.include({ code: 2, stdout: '' })
      const { code, stderr } = await runHere(['accounts', 'list'], {
        ...env,
        PORT: 'x',
        HOST: '!',
      })
      expect(code).to.equal(1)
      expect(stderr).to.match(/^keyturn: The configuration is not valid, 2 faults:\n/)
    })
  })
})
