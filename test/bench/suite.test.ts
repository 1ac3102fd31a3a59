import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { LoadClient } from '../../bench/load/plan.ts'
import { startEngine } from '../../bench/servers/engine.ts'
import { furnishedStorage, type Storage, startProduct } from '../../bench/servers/product.ts'
import { clients, parameters } from '../../bench/servers/scenario.ts'
import type { Server } from '../../bench/servers/server.ts'
import { openTarget } from '../../bench/servers/target.ts'
import { cases } from '../../bench/suite/cases.ts'
import { caseNames, optionsIn } from '../../bench/suite/options.ts'
import { plotOf } from '../../bench/suite/plot.ts'
import type { Row } from '../../bench/suite/row.ts'
import { runSuite } from '../../bench/suite/suite.ts'
import { printIdle } from '../../bench/suite/table.ts'
import { isUsageError } from '../../bench/suite/usage.ts'
import { anyStorage } from '../support/any-storage.ts'
import { startChild, temporaryFolder } from '../support/child.ts'
import { errorOf } from '../support/cores.ts'
import { compiledModules } from '../support/node-process.ts'

/** Blocks of several ticks of processor time (10 ms), even if the processes get only a part of a core. */
const tiny = ['--blocks', '1', '--length', '120', '--warm-up', '1', '--connections', '4']

const spoken = ({ client_id, client_secret }: LoadClient) => ({ client_id, client_secret })

function expectRight({ row, sides }: Row): void {
  for (const { name, closed, steady } of sides) {
    const what = `${row}, ${name}`
    expect(closed.rate, what).to.be.greaterThan(0)
    expect(closed.faults, what).to.deep.equal({})
    expect(
      Object.keys(steady?.block.faults ?? {}).filter((fault) => !fault.startsWith('not ')),
    ).to.deep.equal([])
  }
}

/**
 * On a busy machine a server may use less than a tick of processor time in so short a block, but not in most of them.
 */
function expectRatios(rows: Row[]): void {
  const found = rows.filter(({ sides }) => (sides[0]?.ratio ?? 0) > 0)
  expect(found.length).to.be.greaterThan(rows.length / 2)
}

describe('The benchmark', () => {
  let storage: Storage
  let engine: Server
  before(async () => {
    storage = await furnishedStorage(anyStorage)
    engine = await startEngine()
  })
  after(() => engine?.stop())

  it('measures every case beside the bare engine, and prints a row for each', async () => {
    const folder = await temporaryFolder('bench')
    const json = join(folder, 'report.json')
    const lines: string[] = []
    const report = await runSuite(
      optionsIn([...tiny, '--json', json]),
      (line) => lines.push(line),
      storage,
    )

    expect(report.rows.map(({ row }) => row)).to.deep.equal(cases.map(({ row }) => row))
    for (const row of report.rows) {
      expectRight(row)
      expect(row.sides.map(({ name }) => name)[0]).to.equal('keyturn')
      expect(lines.join('\n')).to.include(row.row)
    }
    expectRatios(report.rows)
    expect(report.idle?.[0]?.megabytes).to.be.greaterThan(20)
    expect(JSON.parse(await readFile(json, 'utf8'))).to.deep.equal(
      JSON.parse(JSON.stringify(report)),
    )
    if (anyStorage === 'embedded') return
    const trips = (name: string) => report.rows.find((row) => row.name === name)?.sides[0]?.trips
    expect(trips('refresh')?.statements.sql.join()).to.include('insert into refresh_tokens')
    expect(trips('refresh')?.sql).to.be.greaterThan(0)
    // The first sign-in in a browser also queues a mail and records the place; two statements look for changes of a
    // tenant.
    const most = { 'sso-authorization': [4, 1], 'password-login': [15, 6] }
    for (const [name, [sql = 0, redis = 0]] of Object.entries(most)) {
      expect(trips(name)?.sql, name).to.be.within(1, sql)
      expect(trips(name)?.redis, name).to.be.within(1, redis)
    }
    expect(trips('jwks')).to.deep.include({ sql: 0, redis: 0 })
  })

  it('measures any other OpenID server that a file describes', async () => {
    const product = await startProduct(storage)
    const servers = [product, engine]
    const folder = await temporaryFolder('bench')
    const targets: string[] = []
    for (const [i, server] of servers.entries()) {
      const { endpoints, pid } = server
      const file = join(folder, `target-${i}.json`)
      const { web, machine, introspector } = clients
      const described = {
        ...{ name: `target ${i}`, issuer: endpoints.issuer, pid, parameters },
        clients: {
          web: { ...spoken(web), redirect_uri: web.redirect_uri },
          machine: spoken(machine),
          introspector: spoken(introspector),
        },
        cookies: await server.given('cookies'),
      }
      await writeFile(file, JSON.stringify(described))
      targets.push('--target', file)
    }
    const lines: string[] = []
    const wanted = ['client-credentials', 'userinfo', 'password-login']
    const options = optionsIn([...wanted, ...tiny, '--alone', ...targets])
    const report = await runSuite(options, (line) => lines.push(line))
    await product.stop()

    expect(report.rows.map(({ name }) => name)).to.deep.equal([
      ...['client-credentials', 'client-credentials', 'userinfo'],
    ])
    for (const row of report.rows) {
      expectRight(row)
      expect(row.sides.map(({ name }) => name)).to.deep.equal(['target 0', 'target 1'])
    }
    expectRatios(report.rows)
    const [heading = ''] = lines
    expect(heading).to.not.contain('Postgres')
    expect(lines.join('\n')).to.contain('client-credentials, reports')
    expect(lines.join('\n')).to.match(
      /password-login: skipped, because target 0 lacks users with passwords, and target 1/,
    )
  })

  it('names rows of other servers after the request, without duplicates, and says what skipped cases lack', async () => {
    const { issuer } = engine.endpoints
    const { client_id, client_secret } = clients.machine
    const { scope, resource } = parameters.orders
    const who = ['--client', client_id, '--secret', client_secret]
    const what = ['--scope', scope, '--resource', resource]
    const lines: string[] = []
    const lacking = ['client-credentials', 'introspection', 'sso-authorization']
    const measured = async (args: string[]) =>
      runSuite(optionsIn([...args, ...tiny, '--alone', '--target', issuer]), (line) =>
        lines.push(line),
      )
    const report = await measured([...lacking, 'jwks', 'discovery', ...who, ...what])
    const { rows } = await measured([...lacking, 'jwks'])

    expect(report.rows.map(({ row }) => row)).to.deep.equal([
      ...['client-credentials', 'jwks', 'discovery'],
    ])
    for (const row of report.rows) expectRight(row)
    expect(rows.map(({ row }) => row)).to.deep.equal(['jwks'])
    const said = lines.join('\n')
    expect(said).to.match(/introspection: skipped, because \S+ lacks access tokens, or cookies/)
    expect(said).to.match(/client-credentials: skipped, because \S+ lacks the client machine\n/)
    expect(said).to.match(
      /sso-authorization: skipped, because \S+ lacks the client web and cookies/,
    )
  })

  it('does not count wrong responses', async () => {
    const { issuer } = engine.endpoints
    const who = ['--client', 'machine', '--secret', 'not-the-secret-of-the-machine']
    const report = await runSuite(
      optionsIn(['client-credentials', ...tiny, '--alone', '--target', issuer, ...who]),
      () => undefined,
    )

    const { closed } = report.rows[0]?.sides[0] ?? {}
    expect(closed?.rate).to.equal(0)
    expect(Object.keys(closed?.faults ?? {})).to.deep.equal(['401 invalid_client'])
  })

  it('plots points from left to right, with round numbers on the axis', () => {
    const block = (rate: number) => ({
      ...{ rate, p50: 1, p99: 2, stores: 0, postgres: 0, load: 0, faults: {} },
    })
    const curve = [10, 50, 93, 80].map((rate) => ({ offered: rate, block: block(rate) }))
    const sides = [{ name: 'one', closed: block(93), curve }]
    const report = { date: '', machine: '', node: '', rows: [{ name: 'a', row: 'a', sides }] }
    const drawn = plotOf(report)

    const lines = [...drawn.matchAll(/points="([^"]+)"/g)].map(([, points = '']) =>
      points.split(' ').map((point) => Number(point.split(',')[0])),
    )
    expect(lines).to.have.length(2)
    for (const line of lines) expect(line).to.deep.equal(line.toSorted((a, b) => a - b))
    expect(drawn).to.contain('>answers per second</text>')
    for (const tick of [0, 25, 50, 75, 100]) expect(drawn).to.contain(`>${tick}</text>`)
  })

  it('does not judge an idle server by too short a measurement', () => {
    const lines: string[] = []
    const found = { when: 'now', processes: 1, megabytes: 100, processor: 0 }
    const print = (line: string) => lines.push(line)
    printIdle(print, [
      { ...found, seconds: 3 },
      { ...found, seconds: 10 },
    ])
    expect(lines[0]).to.contain('0.00 % of a core in 3.0 s (too short to judge, target < 1)')
    expect(lines[1]).to.contain('0.00 % of a core in 10.0 s (target < 1)')
  })

  it('names the expected value of an option', () => {
    expect(() => optionsIn(['--blocks', 'many'])).to.throw(
      '--blocks: expected a number above 0, got "many"',
    )
    expect(() => optionsIn(['--blokcs', '3'])).to.throw('--blokcs')
  })

  it('reports usage errors in one line before anything is started, and prints the usage', async () => {
    const gone = join(await temporaryFolder('bench'), 'gone')
    const wrong: [string[], string][] = [
      [['--target'], "'--target <value>' argument missing"],
      [['refresh', 'nonsense'], 'expected cases among client-credentials, '],
      [['--alone'], '--alone: expected a --target, got none'],
      [['--json', join(gone, 'a.json')], '--json: expected a file in a folder that exists'],
      [['--plot', join(gone, 'a.svg')], '--plot: expected a file in a folder that exists'],
    ]
    for (const [args, line] of wrong) expect(() => optionsIn(args), line).to.throw(line)
    const targets: [string, RegExp][] = [
      ['http://127.0.0.1:9', /expected the discovery document at .*, got /],
      [gone, /expected an issuer \(https:.*\) or a file, got ENOENT/],
    ]
    for (const [target, line] of targets) {
      const error = await errorOf(openTarget(target, {}))
      expect(isUsageError(error), error.stack).to.equal(true)
      expect(error.message).to.match(line)
    }

    const run = async (...args: string[]) => {
      const program = join(import.meta.dirname, '../../bench/run.ts')
      const child = await startChild(process.execPath, [program, ...args], {
        env: { ...process.env, ...compiledModules },
      })
      const { code } = await child.exit
      return { code, stdout: child.stdout(), stderr: child.stderr() }
    }
    const runs: [string[], RegExp][] = [
      [['overload', 'nonsense'], /expected cases among client-credentials, .*got "nonsense"/],
      [
        ['sign-in-timing', '--page', 'link', '--kind', 'known'],
        /expected a --kind among replaced, used \(link\), got known/,
      ],
    ]
    for (const [args, line] of runs) {
      const { code, stdout, stderr } = await run(...args)
      expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 2, stdout: '' })
      expect(stderr).to.match(line)
      expect(stderr.trim().split('\n')).to.have.length(1)
    }
    const { code, stdout } = await run('overload', '--help')
    expect(code).to.equal(0)
    for (const name of [...caseNames, 'overload', '--blocks N', '--access-token', '--keep']) {
      expect(stdout).to.contain(name)
    }
  })
})
