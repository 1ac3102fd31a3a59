import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { type Core, openCore } from '../../src/core.ts'
import { type Balancer, startBalancer } from '../support/balancer.ts'
import { freshStorage, type TestServer, testKey } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { silentLog } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { type KeyTraffic, startKeyTraffic } from '../support/key-traffic.ts'
import { runCommand, startNode } from '../support/node-process.ts'
import { refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { keyIdsIn, keyOf, newKey } from '../support/sealed.ts'
import { type AnyNode, startHere } from '../support/two-nodes.ts'
import { secretsIn } from '../support/witness.ts'

const suite = servicesFound() ? describe : describe.skip
suite('rotation of the key-encryption key on two nodes (docs/key-encryption-key.md)', function () {
  this.timeout(120_000)
  const first = keyOf(testKey)
  const second = newKey()
  let env: Record<string, string>
  let balancer: Balancer
  let nodes: { port: number; node: AnyNode }[] = []
  let traffic: KeyTraffic
  let logs = ''

  const keys = (current: string, previous?: string) => ({
    KEY_ENCRYPTION_KEY: current,
    ...(previous === undefined ? {} : { KEY_ENCRYPTION_KEY_PREVIOUS: previous }),
  })
  /** The first node is a process of its own, the other one runs in this process. */
  async function start(i: number, port: number, settings: Record<string, string>) {
    const all = { ...env, ...settings, PORT: String(port) }
    return { port, node: i === 0 ? await startNode({ env: all }) : await startHere(all) }
  }

  async function withCore<T>(settings: Record<string, string>, work: (core: Core) => Promise<T>) {
    const core = await openCore(loadConfig({ ...env, ...settings }), silentLog, {
      schema: 'migrate',
    })
    try {
      return await work(core)
    } finally {
      await core.close()
    }
  }

  /** Restarts one node after the other with other keys, each out of the balancer meanwhile. */
  async function restartEach(settings: Record<string, string>): Promise<void> {
    for (const [i, { port, node }] of nodes.entries()) {
      balancer.use(nodes.map((each) => each.port).filter((each) => each !== port))
      await eventually('the node has no open connections', () => balancer.open(port) === 0)
      expect((await node.stop()).code).to.equal(0)
      logs += node.stdout() + node.stderr()
      nodes[i] = await start(i, port, settings)
      balancer.use(nodes.map((each) => each.port))
    }
  }

  before(async () => {
    const port = await freePort()
    env = { ...(await freshStorage('services')), ISSUER: `http://localhost:${port}` }
    await withCore({}, (core) => furnish({ core }))
    nodes = await Promise.all([
      start(0, await freePort(), keys(first.text)),
      start(1, await freePort(), keys(first.text)),
    ])
    balancer = await startBalancer(port)
    balancer.use(nodes.map((each) => each.port))
  })
  after(async () => {
    await traffic?.stop()
    for (const { node } of nodes) {
      await node.stop()
      logs += node.stdout() + node.stderr()
    }
    await balancer?.stop()
    expect(secretsIn(logs), 'secrets logged (C19)').to.deep.equal([])
    for (const { text } of [first, second]) expect(logs).to.not.include(text)
  })

  it('fails no request, and leaves nothing sealed under the old key', async () => {
    const issuer = env['ISSUER'] as string
    const server = { issuer } as TestServer
    const kept = await tokensFor(server, web, { scope: 'openid offline_access' })
    traffic = await startKeyTraffic(issuer)
    const command = (settings: Record<string, string>) =>
      runHere(['keys', 'rotate-kek', '--json'], { ...env, ...settings })

    await restartEach(keys(first.text, second.text))
    await restartEach(keys(second.text, first.text))
    const { code, stdout, stderr } = await command(keys(second.text, first.text))
    expect(code, stderr).to.equal(0)
    expect(JSON.parse(stdout)).to.deep.include({
      key_id: second.id,
      generated: false,
      retired_key_ids: [first.id],
    })
    await restartEach(keys(second.text))
    const enough = { refresh: 100, 'sign-in': 10, 'log-out': 5, jwks: 50, introspection: 50 }
    await eventually('there is enough traffic', () =>
      Object.entries(enough).every(([kind, count]) => (traffic.done[kind] ?? 0) >= count),
    )
    await traffic.stop()
    expect(traffic.failures, JSON.stringify(traffic.done)).to.deep.equal([])
    process.stdout.write(`      ${JSON.stringify(traffic.done)}, no failure\n`)

    tokensIn(await refresh(server, web, kept))
    await withCore(keys(second.text), async (core) => {
      expect(await keyIdsIn(core, env))
        .to.include(second.id)
        .and.not.include(first.id)
      const events = await core.database.query(
        `select detail->>'key_id' as id from audit_events where type = 'key_encryption_key.rotated'`,
      )
      expect(events).to.deep.equal([{ id: second.id }])
    })
  })

  it('refuses to start a process without the new key, and names the missing key', async () => {
    for (const [settings, ...commands] of [
      [keys(first.text), ['serve'], ['keys', 'rotate-kek'], ['accounts', 'list']],
      [keys(newKey().text, first.text), ['keys', 'rotate-kek'], ['accounts', 'list']],
    ] as const) {
      for (const args of commands) {
        const run = args[0] === 'serve' ? runCommand : runHere
        const { code, stdout, stderr } = await run(args, {
          ...env,
          ...settings,
          LOG_LEVEL: 'info',
        })
        expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
        expect(stderr.trimEnd().split('\n')).to.have.length(1)
        expect(stderr)
          .to.include(`sealed under key ${second.id}, but this process has key `)
          .and.include('KEY_ENCRYPTION_KEY_PREVIOUS')
      }
    }
    const doctor = await runHere(['doctor'], { ...env, ...keys(first.text) })
    expect(doctor.code).to.equal(1)
    expect(doctor.stdout).to.match(/^fail +key-encryption key .*sealed under key/m)
  })

  it('reports nodes that lack the current key, and leaves nothing sealed under a retired one', async () => {
    const readiness = async () =>
      Promise.all(
        nodes.map(async ({ port }) => {
          const answer = await fetch(`http://localhost:${port}/readyz`)
          const { key_encryption_key: key } = (await answer.json()) as Record<string, string>
          return { status: answer.status, key }
        }),
      )
    const fine = { status: 200, key: 'ok' }
    expect(await readiness()).to.deep.equal([fine, fine])
    const settings = keys(newKey().text, second.text)
    const third = keyOf(settings.KEY_ENCRYPTION_KEY)
    await withCore(settings, async (core) => {
      await core.keyRotation.rotate()
    })
    const doctor = await runHere(['doctor'], { ...env, ...settings })
    expect(doctor.stdout, doctor.stdout).to.match(/^ok +key-encryption key/m)
    const left = { status: 200, key: 'not the current one: see the log' }
    await eventually('both nodes report that their key is outdated', async () => {
      expect(await readiness()).to.deep.equal([left, left])
      return true
    })
    const expected = new RegExp(
      `"level":"error".*is key ${second.id}, which .* retired.* lacks key ${third.id}`,
    )
    for (const { node } of nodes) {
      // The response may arrive before the log line of its process.
      await eventually('the log says so', () => expected.test(node.stdout()))
    }
    const swapped = keys(second.text, third.text)
    await withCore(swapped, async (late) => {
      const session = { uid: 'late', transient: false, clients: {}, createdAt: 0, expiresAt: 4e9 }
      await late.sessions.save('default', { ...session, state: { a: 1 } }, 'late', [], [])
    })
    expect((await runHere(['doctor'], { ...env, ...swapped })).stdout).to.match(
      /^warn +key-encryption key .* retired.* seals in its place/m,
    )
    const again = await runHere(['keys', 'rotate-kek'], { ...env, ...settings })
    expect(again.stdout, again.stderr).to.include('0 re-sealed')
  })
})
