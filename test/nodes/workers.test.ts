import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { type Answer, ask, startLoad, succeeded, summary } from '../outages/load.ts'
import { findProgram } from '../support/binaries.ts'
import { emptyStorage } from '../support/boot.ts'
import { replaceFile, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { mmdb } from '../support/mmdb.ts'
import { type NodeProcess, runCommand, startNode } from '../support/node-process.ts'
import { figure, scrape } from '../support/prometheus.ts'
import { servicesFound } from '../support/root-hooks.ts'
import type { TwoNodes } from '../support/two-nodes.ts'

interface Line {
  msg: string
  worker?: number | string
  of?: number
  pid?: number
  place?: number
  pause_ms?: number
  exit_code?: number
  err?: { code?: string }
}

const count = 3

describe('WORKERS with embedded storage', () => {
  it('refuses more than one worker before anything starts; auto means one process', async () => {
    const { code, stdout, stderr } = await runCommand(['serve'], { WORKERS: '2' })
    expect(code).to.equal(1)
    expect(stdout).to.equal('')
    expect(stderr).to.equal(
      'keyturn: WORKERS: expected 1 without DATABASE_URL, because embedded storage allows one process only, got 2\n',
    )
    expect(loadConfig({ WORKERS: 'auto' }).workers).to.equal('auto')
    expect(() => loadConfig({ WORKERS: '0' })).to.throw('expected auto or an integer from 1 to 256')
    expect(() => loadConfig({ WORKERS: '4', DATABASE_URL: 'no' })).not.to.throw('WORKERS')
  })
})

const suite = servicesFound() ? describe : describe.skip
suite('workers that share a port, on one Postgres and one Redis', function () {
  this.timeout(120_000)
  let core: Core
  let env: Record<string, string>
  let node: NodeProcess
  let nodes: TwoNodes
  let metricsPort: string
  let countries: string

  before(async () => {
    const port = String(await freePort())
    const issuer = `http://localhost:${port}`
    metricsPort = String(await freePort())
    countries = join(await temporaryFolder('countries'), 'test.mmdb')
    await writeFile(countries, mmdb({ '192.0.2.0/24': 'DE' }))
    env = {
      ...(await emptyStorage()),
      PORT: port,
      ISSUER: issuer,
      LOG_LEVEL: 'info',
      GEOIP_DATABASE: countries,
    }
    core = await openCore(loadConfig(env), createLog({ level: 'silent' }), { schema: 'migrate' })
    await furnish({ core })
    node = await startNode({
      env: { ...env, WORKERS: String(count), METRICS_PORT: metricsPort, MAX_CONNECTIONS: '100' },
    })
    await eventually('all workers listen', async () => living().size === count)
    // Both nodes of the load have this one address, behind which the workers run.
    nodes = {
      issuer,
      a: node,
      b: node,
      env,
      core,
      on: (_node, url) => new URL(url),
      stop: async () => undefined,
    }
  })
  after(async () => {
    await node?.stop()
    await core?.close()
  })

  const lines = (from = node): Line[] =>
    from
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line)

  /** The workers that listen and have not ended, as worker id → process id. */
  function living(from = node): Map<number, number> {
    const found = new Map<number, number>()
    for (const { msg, of = 0, pid = 0 } of lines(from)) {
      if (msg === 'worker listens') found.set(of, pid)
      if (msg === 'worker ended') found.delete(of)
    }
    return found
  }

  /** Sends a signal to the longest-running worker, or to that of `place`, and waits for its replacement. */
  async function replaceOne(signal: NodeJS.Signals, place?: number): Promise<void> {
    const placed = lines().findLast((line) => line.place === place)?.of
    const [[id, pid] = [0, 0]] = [...living()].filter(
      ([each]) => place === undefined || each === placed,
    )
    process.kill(pid, signal)
    await eventually('another worker listens', async () => {
      const now = living()
      return !now.has(id) && now.size === count
    })
  }

  it('have a bounded young generation, as does their supervisor', () => {
    const pids = [node.pid, ...living().values()]
    const given = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'))
    expect(given).to.have.length(count + 1)
    for (const args of given) {
      const sizes = args.filter((each) => each.startsWith('--max-semi-space-size='))
      expect(sizes).to.deep.equal(['--max-semi-space-size=8'])
    }
  })

  it('print the start message once, and every log line names its worker', async () => {
    await Promise.all(Array.from({ length: 30 }, () => fetch(`${node.url}/`)))
    const out = node.stdout()
    expect(out.match(/is ready\./g)).to.have.length(1)
    expect(out.match(/First start: this is your operator account/g)).to.have.length(1)
    expect(out).to.include(`Workers      ${count}`)
    const workers = lines().map(({ worker }) => worker)
    expect(workers).not.to.include(undefined)
    const answered = () =>
      new Set(lines().flatMap((line) => (line.msg === 'request' ? line.worker : [])))
    // The responses may arrive before the log lines of their processes.
    await eventually('all workers serve requests', () => answered().size === count)
  })

  const metric = async (name: string, labels: Record<string, string> = {}) =>
    figure(await scrape(metricsPort), name, labels)

  it('are measured as one: their counters are summed, and kept when a worker ends', async () => {
    const assets = { route: '/assets/:name' }
    const counted = () => metric('keyturn_http_requests_total', assets)
    expect(await metric('keyturn_workers')).to.equal(count)
    const before = await counted()
    await Promise.all(Array.from({ length: 40 }, () => fetch(`${node.url}/assets/keyturn.svg`)))
    expect((await counted()) - before).to.equal(40)
    await replaceOne('SIGKILL', 1)
    expect((await counted()) - before, 'after one was killed').to.equal(40)
    await Promise.all(Array.from({ length: 40 }, () => fetch(`${node.url}/assets/keyturn.svg`)))
    await replaceOne('SIGTERM')
    expect((await counted()) - before, 'after one was stopped').to.equal(80)
    expect(await metric('keyturn_worker_ends_total')).to.equal(2)
    expect(await metric('keyturn_db_pool_limit'), 'each has its own pool').to.equal(10 * count)
    expect(await metric('keyturn_signing_key_age_seconds', { alg: 'ES256' })).to.be.within(0, 600)
  })

  it('run each shared task in one worker, also after a worker was replaced', async () => {
    async function done() {
      const text = await scrape(metricsPort)
      const of = (round: string) => figure(text, 'keyturn_rounds_total', { round, outcome: 'done' })
      return { own: of('audit chain'), each: of('refusals') }
    }
    const before = await done()
    // Both rounds run once a second in a process.
    const now = await eventually('the background rounds run', async () => {
      const found = await done()
      return found.each - before.each >= 4 * count && found
    })
    const most = ((now.each - before.each) * 3) / 4
    expect(now.own - before.own, 'rounds, by one worker instead of all').to.be.within(1, most)
  })

  it('reload renewed files on SIGHUP and keep running', async () => {
    const before = living()
    const renewed = () =>
      new Set(
        lines().flatMap((line) => (line.msg.startsWith('loaded renewed files') ? line.worker : [])),
      )
    await replaceFile(countries, mmdb({ '192.0.2.0/24': 'FR' }))
    node.signal('SIGHUP')
    await eventually('every worker has read the new file', async () => renewed().size === count)
    expect(living()).to.deep.equal(before)
  })

  it('restart one after the other without a failed request, and lose nothing but open connections when one is killed (R-15)', async () => {
    const load = await startLoad(nodes)
    const failures = () => load.answers.filter((answer) => !succeeded(answer))
    for (let round = 0; round < 2; round++) {
      await replaceOne('SIGTERM')
      await pause(200)
    }
    const orderly = load.answers.length
    expect(orderly, 'answers').to.be.above(count * 10)
    expect(failures().length, summary(failures())).to.equal(0)
    await replaceOne('SIGKILL')
    await pause(300)
    await load.stop()
    const failed = failures()
    for (const answer of failed) {
      expect(answer.status, `only broken connections: ${summary(failed)}`).to.equal(0)
    }
    expect(failed.length, summary(failed)).to.be.below(22)
    expect(load.answers.length - orderly, 'answers').to.be.above(count * 10)
    await load.expectNothingLost()
  })

  it('leave no request unanswered when killed: another worker takes the connections not yet accepted (R-15)', async () => {
    const [[id, pid] = [0, 0]] = living()
    process.kill(pid, 'SIGSTOP')
    const answers: Answer[] = []
    const asked = 2 * count
    for (let i = 0; i < asked; i++) {
      void ask('jwks', `${node.url}/jwks`).then((answer) => answers.push(answer))
    }
    try {
      await eventually('all requests but one are answered', () => answers.length === asked - 1)
    } finally {
      process.kill(pid, 'SIGKILL')
    }
    await eventually('the last request is answered', () => answers.length === asked)
    expect(summary(answers)).to.include(`{"jwks 200":${asked}}`)
    await eventually('another worker listens', async () => {
      const now = living()
      return !now.has(id) && now.size === count
    })
  })

  it('keep serving when no replacement can be spawned, which is retried with growing pauses (R-15)', async () => {
    const prlimit = (...args: string[]) =>
      execFileSync(findProgram('prlimit') as string, ['--pid', String(node.pid), ...args], {
        encoding: 'utf8',
      }).trim()
    const limit = (files: number | string) => prlimit(`--nofile=${files}:`)
    const usual = prlimit('--nofile', '--noheadings', '--output', 'SOFT')
    const refused = () => lines().filter(({ err }) => err?.code === 'EMFILE').length
    limit(readdirSync(`/proc/${node.pid}/fd`).length)
    const [[id, pid] = [0, 0]] = living()
    process.kill(pid, 'SIGKILL')
    await eventually('the spawn is retried', async () => refused() >= 3)
    expect((await fetch(`${node.url}/healthz`)).status).to.equal(200)
    expect(await metric('keyturn_workers')).to.equal(count - 1)
    limit(usual)
    await eventually('another worker listens', async () => living().size === count)
    expect(living().has(id)).to.equal(false)
  })

  it('are counted while they listen, not while they fail at boot', async () => {
    const whole = readFileSync(countries)
    await replaceFile(countries, 'nothing of the kind')
    const ended = () => lines().filter(({ msg }) => msg === 'worker ended').length
    const before = ended()
    const [[, pid = 0] = []] = living()
    process.kill(pid, 'SIGKILL')
    const counted = new Set<number>()
    await eventually('three replacements have died at boot', async () => {
      if (ended() > before) counted.add(await metric('keyturn_workers'))
      return ended() >= before + 3
    })
    await replaceFile(countries, whole)
    expect([...counted]).to.deep.equal([count - 1])
    await eventually('another worker listens', () => living().size === count)
    expect(await metric('keyturn_workers')).to.equal(count)
  })

  it('are restarted with a pause that doubles when they fail early', () => {
    const pauses = lines().flatMap((line) =>
      line.msg === 'worker ended' ? (line.pause_ms ?? 0) : [],
    )
    expect(pauses[0]).to.equal(0)
    for (const each of pauses) expect([0, 100, 200, 400, 800, 1600, 3200]).to.include(each)
  })

  it('end together on SIGTERM: requests in flight are answered, exit code 0, no process remains, closed connections are logged (R-15)', async () => {
    let closed = 0
    const sockets = Array.from({ length: count * 100 + 20 }, () =>
      connect(Number(new URL(node.url).port), '127.0.0.1')
        .on('error', () => undefined)
        .on('close', () => closed++),
    )
    await eventually('the connections over the limit are closed', () => closed >= 20)
    for (const socket of sockets) socket.destroy()
    await eventually(
      'the other connections are closed',
      async () => (await metric('keyturn_connections_open')) < 10,
    )
    const answers: number[] = []
    const load = Promise.all(
      [1, 2, 3, 4].map(async () => {
        for (;;) {
          const answer = await fetch(`${node.url}/jwks`).catch(() => undefined)
          if (!answer) break
          await answer.text()
          answers.push(answer.status)
        }
      }),
    )
    await eventually('the load is running', async () => answers.length > 100)
    const pids = [...living().values()]
    const began = performance.now()
    const exit = await node.stop('SIGTERM')
    await load
    expect(exit).to.deep.include({ code: 0, signal: null })
    const reported = lines().filter(({ msg }) =>
      msg.endsWith('MAX_CONNECTIONS are open in each worker'),
    )
    expect(reported.map(({ worker }) => worker)).to.include('supervisor')
    expect(performance.now() - began, 'milliseconds').to.be.below(10_000)
    expect(new Set(answers)).to.deep.equal(new Set([200]))
    expect(pids).to.have.length(count)
    for (const pid of pids) expect(() => process.kill(pid, 0), String(pid)).to.throw('ESRCH')
  })

  it('pass on connections that one has no room for, close and count those that none has room for, and end with their supervisor', async () => {
    const port = await freePort()
    const metricsAt = await freePort()
    const brief = await startNode({
      env: {
        ...env,
        PORT: String(port),
        WORKERS: '2',
        MAX_CONNECTIONS: '4',
        // No connection is closed for being idle.
        KEEP_ALIVE_TIMEOUT: '60',
        METRICS_PORT: String(metricsAt),
      },
    })
    await eventually('both workers listen', async () => living(brief).size === 2)
    const pids = [...living(brief).values()]
    let closed = 0
    let answers = 0
    const open = (length: number) =>
      Array.from({ length }, () => {
        const socket = connect(port, '127.0.0.1')
          .on('error', () => undefined)
          .on('close', () => closed++)
          .once('data', () => answers++)
        socket.write('GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n')
        return socket
      })
    const [busy = 0] = pids
    let sockets: Socket[] = []
    try {
      process.kill(busy, 'SIGSTOP')
      // One connection goes to the stopped worker; the other worker has room for four.
      sockets = open(6)
      await eventually('the other worker is full', async () => answers >= 3)
      // Meanwhile the supervisor asks the stopped worker again whether it has room.
      for (let i = 0; i < 20; i++) await fetch(`http://127.0.0.1:${metricsAt}/`)
      expect(closed).to.equal(0)
      process.kill(busy, 'SIGCONT')
      await eventually('all requests are answered', async () => answers === 6)
      sockets.push(...open(6))
      await eventually('the connections over the limit are closed', () => closed >= 4)
      await eventually('the closed connections are counted', async () => {
        const text = await scrape(metricsAt)
        return figure(text, 'keyturn_connections_refused_total') === closed
      })
    } finally {
      process.kill(busy, 'SIGCONT')
      for (const socket of sockets) socket.destroy()
      await brief.stop('SIGKILL')
    }
    await eventually('the processes have ended', async () =>
      pids.every((pid) => {
        try {
          return !process.kill(pid, 0)
        } catch {
          return true
        }
      }),
    )
  })

  it('are not restarted in a loop at boot: the fault is printed once, exit code 1', async () => {
    const away = { ...env, WORKERS: '2', DATABASE_URL: 'postgres://u:p@127.0.0.1:1/none' }
    const { code, stderr } = await runCommand(['serve'], away)
    expect(code).to.equal(1)
    expect(stderr.match(/Postgres cannot be reached/g)).to.have.length(1)
    expect(stderr).to.include('no worker could be started')
  })
})
