import { randomBytes } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { expect } from 'chai'
import { runHere } from '../support/command-here.ts'
import { freePort } from '../support/free-port.ts'
import { runCommand } from '../support/node-process.ts'
import { pgbouncerFound, startPgbouncer } from '../support/pgbouncer.ts'
import { services, servicesFound } from '../support/root-hooks.ts'

describe('The command line on servers', () => {
  const database = 'cli'
  const key = randomBytes(32).toString('base64')

  it('serve reports an unreachable Postgres in one line, and fails', async () => {
    const port = await freePort()
    const { code, stderr } = await runCommand(['serve'], {
      DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/none`,
      KEY_ENCRYPTION_KEY: key,
    })
    expect(code).to.equal(1)
    expect(stderr).to.match(
      /^keyturn: Postgres cannot be reached at 127\.0\.0\.1:\d+ \(DATABASE_URL\): .*\n$/,
    )
    expect(stderr).to.not.include('hunter2')
  })

  it('doctor reports an unreachable Postgres and checks the rest', async () => {
    const { code, stdout } = await runHere(['doctor', '--json'], {
      DATABASE_URL: `postgres://127.0.0.1:${await freePort()}/none`,
      KEY_ENCRYPTION_KEY: key,
      ISSUER: 'https://auth.invalid',
    })
    expect(code).to.equal(1)
    const { ok, checks } = JSON.parse(stdout) as {
      ok: boolean
      checks: { name: string; status: string }[]
    }
    expect(ok).to.equal(false)
    const statuses = Object.fromEntries(checks.map(({ name, status }) => [name, status]))
    expect(statuses).to.deep.equal({
      configuration: 'ok',
      storage: 'fail',
      issuer: 'ok',
      discovery: 'warn',
      proxy: 'warn',
    })
  })

  it('doctor names the setting for a PgBouncer that refuses startup parameters', async () => {
    const said = 'SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0'
    const head = Buffer.from('E\0\0\0\0')
    head.writeInt32BE(4 + said.length, 1)
    const pooler = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(Buffer.concat([head, Buffer.from(said)])))
    })
    await new Promise<void>((done) => void pooler.listen(0, '127.0.0.1', done))
    const { port } = pooler.address() as AddressInfo
    const DATABASE_URL = `postgres://127.0.0.1:${port}/none`
    const { stdout } = await runHere(['doctor'], { DATABASE_URL, KEY_ENCRYPTION_KEY: key })
    pooler.close()
    expect(stdout).to.match(/^fail {2}storage .*PgBouncer .*ignore_startup_parameters/m)
  })

  it('doctor lists the faults of the configuration', async () => {
    const { code, stdout } = await runHere(['doctor'], { PORT: 'x', ISSUER: 'http://a.example' })
    expect(code).to.equal(1)
    expect(stdout).to.match(/^fail {2}configuration {2}PORT: expected/m)
    expect(stdout).to.match(/^fail {2}configuration {2}ISSUER: expected/m)
  })

  if (!servicesFound()) return

  describe('with Postgres and Redis', () => {
    let env: Record<string, string>

    before(async () => {
      const found = services()
      if (!found) throw new Error('no services are running')
      await found.createDatabase(database)
      env = {
        DATABASE_URL: found.databaseUrl(database),
        REDIS_URL: found.redisUrl(15),
        KEY_ENCRYPTION_KEY: key,
        PORT: String(await freePort()),
      }
    })
    after(() => services()?.dropDatabase(database))

    it('all commands except migrate require the migrations', async () => {
      const check = await runHere(['migrate', '--check'], env)
      expect(check.code).to.equal(1)
      expect(check.stdout).to.match(/^Pending: \d+ migrations, from Initial\d+ to \w+\./)
      expect(check.stdout.length).to.be.below(150)
      const list = await runHere(['accounts', 'list'], env)
      expect(list.code).to.equal(1)
      expect(list.stderr).to.match(/^keyturn: The database lacks .*migrate.*\n$/)
      const diagnosis = await runHere(['doctor'], env)
      expect(diagnosis.stdout).to.match(/^fail {2}migrations .*migrate/m)
    })

    it('migrate lists what it applied, once', async () => {
      const first = await runCommand(['migrate', '--json'], env)
      expect(JSON.parse(first.stdout)).to.have.property('applied').with.lengthOf.at.least(1)
      const second = await runHere(['migrate'], env)
      expect(second).to.include({ code: 0, stdout: 'The database is up to date.\n' })
      expect((await runHere(['migrate', '--check'], env)).code).to.equal(0)
    })

    it('commands work on the shared database', async () => {
      const args = ['accounts', 'create', '--email', 'alice@example.com']
      expect((await runHere(args, env)).code).to.equal(0)
      const { stdout } = await runHere(['accounts', 'list', '--json'], env)
      expect(JSON.parse(stdout)).to.have.nested.property('accounts[0].email', 'alice@example.com')
    })

    it('doctor reports that Postgres is read-only or Redis is unreachable, with advice', async () => {
      const readOnly = `${env['DATABASE_URL']}?options=-c%20default_transaction_read_only%3Don`
      const REDIS_URL = `redis://127.0.0.1:${await freePort()}`
      const { stdout } = await runHere(['doctor'], { ...env, DATABASE_URL: readOnly, REDIS_URL })
      expect(stdout).to.match(
        /^fail {2}storage .* does not accept writes\. Fix: point DATABASE_URL to/m,
      )
      expect(stdout).to.match(
        /^fail {2}short-lived store .*: connect ECONNREFUSED \S+\. Fix: .*REDIS_URL/m,
      )
      const create = ['accounts', 'create', '--email', 'bob@example.com']
      const refused = await runHere(create, { ...env, DATABASE_URL: readOnly })
      expect(refused).to.deep.include({ code: 1, stdout: '' })
      expect(refused.stderr).to.match(
        /^keyturn: Postgres does not accept writes; .*: cannot execute .*\n$/,
      )
    })

    it('doctor recognises PgBouncer in transaction mode, and names the required settings', async function () {
      if (!pgbouncerFound()) return this.skip()
      const { url, child } = await startPgbouncer(env['DATABASE_URL'] as string)
      const storage = async (change: object = {}) => {
        const { stdout } = await runHere(['doctor'], { ...env, DATABASE_URL: url, ...change })
        return stdout.split('\n').find((line) => line.includes(' storage '))
      }
      expect(await storage()).to.match(/^fail .* through a pooler .* Fix: set DATABASE_PREPARE=off/)
      const off = { DATABASE_PREPARE: 'off' }
      expect(await storage(off)).to.match(
        /^warn .* pooler .*, but statements and idle transactions have no time limit/,
      )
      const set = (name: string, value: string) =>
        services()?.admin(`alter database ${database} set ${name} = '${value}'`)
      await set('statement_timeout', '2500ms')
      await set('idle_in_transaction_session_timeout', '10s')
      await services()?.admin(
        `select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '${database}'`,
      )
      expect(await storage(off)).to.match(/^ok .* answers through a pooler in transaction mode/)
      for (const change of [{}, off]) {
        const lent = await runHere(['migrate'], { ...env, DATABASE_URL: url, ...change })
        expect(lent).to.include({ code: 1, stdout: '' })
        expect(lent.stderr).to.match(/^keyturn: DATABASE_URL: expected a direct connection .*\n$/)
      }
      const looked = await runHere(['migrate', '--check'], { ...env, DATABASE_URL: url, ...off })
      expect(looked.code).to.equal(0)
      await child.stop()
      const direct = await storage({ DATABASE_URL: env['DATABASE_URL'] })
      expect(direct).to.match(/^ok +storage +PostgreSQL \S+ answers\.$/)
    })

    it('a wrong key-encryption key is reported by name', async () => {
      const wrong = { ...env, KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') }
      const list = await runHere(['accounts', 'list'], wrong)
      expect(list.code).to.equal(1)
      expect(list.stderr).to.match(/^keyturn: A stored secret cannot be opened.*\n$/)
      const { stdout } = await runHere(['doctor'], wrong)
      expect(stdout).to.match(/^fail {2}key-encryption key /m)
    })
  })
})
