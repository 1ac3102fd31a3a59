import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { waitingForRows } from '../outages/load.ts'
import { freshStorage } from '../support/boot.ts'
import { startChild, temporaryFolder } from '../support/child.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { runCommand, startCommand, startNode } from '../support/node-process.ts'
import { figure, scrape } from '../support/prometheus.ts'
import { servicesFound } from '../support/root-hooks.ts'

/** Whether a process, which the system may have suspended, has a pending signal. */
function hasPending(pid: number): boolean {
  return !/^ShdPnd:\s+0+$/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
}

/** The packages whose modules a process ran. @param folder its `NODE_V8_COVERAGE` */
function packagesIn(folder: string): Set<string | undefined> {
  // Node records every module that it has run.
  const loaded = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const names = loaded.matchAll(/node_modules\/(@[^/"]+|[^/"]+)\//g)
  return new Set([...names].map(([, name]) => name))
}

describe('a start', () => {
  it('does not load what is not needed yet', async () => {
    const folder = await temporaryFolder('coverage')
    const storage = await freshStorage('embedded')
    const node = await startNode({ env: { ...storage, NODE_V8_COVERAGE: folder } })
    expect((await fetch(`${node.url}/account`)).url, 'sign-in page').to.include('/interaction/')
    await node.stop()
    const packages = packagesIn(folder)
    const expected = ['@koa', 'koa', 'oidc-provider', 'pg', 'pino', 'typeorm', 'zod']
    expect(packages).to.include.keys(expected)
    expect(packages, 'traces, metrics').not.to.have.any.keys('@opentelemetry', 'prom-client')
    expect(packages, 'passkeys').not.to.have.any.keys('@simplewebauthn', '@peculiar')
    expect(packages, 'mail, Redis').not.to.have.any.keys('nodemailer', 'ioredis')

    const another = await temporaryFolder('coverage')
    await runCommand(['keys', 'list'], { ...storage, NODE_V8_COVERAGE: another })
    expect(packagesIn(another)).to.include.keys('pg', 'typeorm')
    expect(packagesIn(another), 'engine').not.to.have.any.keys('koa', 'oidc-provider')
  })

  it('uses the modules compiled by an earlier start, stored beside the packages', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    // Node logs which cache entries it writes and accepts.
    const env = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
    async function start(): Promise<string> {
      const child = await startChild(process.execPath, ['src/main.ts', '--version'], {
        cwd: root,
        env,
      })
      expect(await child.exit).to.include({ code: 0 })
      return child.stdout() + child.stderr()
    }
    await start()
    const told = (await start()).split('\n').filter((line) => line.includes('src/cli/program.ts'))
    expect(told.join('\n')).to.match(/ESM file\S+ was accepted/)
    const folders = told.flatMap((line) => /reading cache from (\S+)/.exec(line)?.[1] ?? [])
    expect(folders).not.to.deep.equal([])
    for (const folder of folders) {
      expect(folder).to.include(join(root, 'node_modules/.cache/keyturn/'))
    }
  })
  /** A server whose output goes to a file. */
  async function startInto(path: string, env: Record<string, string>) {
    const port = String(await freePort())
    const { PATH = '', HOME = '' } = process.env
    const child = await startChild(
      '/bin/sh',
      ['-c', 'exec "$0" src/main.ts serve > "$1"', process.execPath, path],
      {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        env: { PATH, HOME, HOST: '127.0.0.1', PORT: port, ...env },
      },
    )
    const answers = (address: string) =>
      fetch(`http://localhost:${port}${address}`).then(
        ({ status }) => status,
        () => 0,
      )
    await eventually('the server is ready', async () => (await answers('/readyz')) === 200)
    return { child, answers }
  }

  it('does not depend on the log: if it cannot be written, the server serves, counts lost lines, and stops despite open handles', async () => {
    const metricsPort = String(await freePort())
    const storage = await freshStorage('embedded')
    const { child, answers } = await startInto('/dev/full', {
      ...storage,
      // Simulates a library with an open handle.
      NODE_OPTIONS: '--import=data:text/javascript,setInterval(()=>{},60000)',
      METRICS_PORT: metricsPort,
    })
    for (let i = 0; i < 5; i++) expect(await answers('/nowhere')).to.equal(404)
    const lost = figure(await scrape(metricsPort), 'keyturn_log_lines_lost_total')
    expect(lost).to.be.at.least(5)
    expect(await child.stop()).to.deep.equal({ code: 0, signal: null })
  })

  it('is aborted by a stop signal while it waits for a store', async function () {
    if (!servicesFound()) this.skip()
    const mute = createServer((socket) => void socket.on('error', () => undefined))
    await new Promise<void>((done) => void mute.listen(0, '127.0.0.1', done))
    const { port } = mute.address() as AddressInfo
    try {
      const asked = once(mute, 'connection')
      const storage = await freshStorage('services')
      const child = await startCommand(['serve'], {
        ...storage,
        HOST: '127.0.0.1',
        PORT: String(await freePort()),
        REDIS_URL: `redis://127.0.0.1:${port}`,
      })
      await asked
      expect(await child.stop()).to.deep.equal({ code: 0, signal: null })
      const log = child.stdout()
      expect(log).to.include('before startup has finished').and.not.include('is ready')
      expect(log, 'it was still waiting').not.to.include('started without Redis')
    } finally {
      mute.close()
    }
  })

  it('is aborted by a stop signal before the server listens', async function () {
    if (!servicesFound()) this.skip()
    const storage = await freshStorage('services')
    const { database, close } = await openNode(storage)
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const lock = database.transaction(async () => {
      await database.query('lock table accounts in access exclusive mode')
      locked.resolve()
      await release.promise
    })
    try {
      await locked.promise
      const child = await startCommand(['serve'], {
        ...storage,
        HOST: '127.0.0.1',
        PORT: String(await freePort()),
      })
      await eventually('the server looks for an operator', async () => (await waitingForRows()) > 0)
      child.signal('SIGTERM')
      await eventually('the signal has reached the server', async () => !hasPending(child.pid))
      release.resolve()
      expect(await child.exit).to.deep.equal({ code: 0, signal: null })
      expect(child.stdout()).to.include('before startup has finished').and.not.include('is ready')
    } finally {
      release.resolve()
      await lock
      await close()
    }
  })

  it('with workers does not depend on a log that nobody reads: they serve, and all of them stop (R-15)', async function () {
    if (!servicesFound()) this.skip()
    const pipe = join(await temporaryFolder('log'), 'pipe')
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', pipe])
    const unread = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
    try {
      const storage = await freshStorage('services')
      const { child, answers } = await startInto(pipe, { ...storage, WORKERS: '2' })
      // More than the buffer of a pipe.
      for (let i = 0; i < 500; i++) expect(await answers(`/${'x-'.repeat(100)}`)).to.equal(404)
      expect(await child.stop()).to.deep.equal({ code: 0, signal: null })
    } finally {
      closeSync(unread)
    }
  })
})
