import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { claimLife } from '../../src/signing/key-claims.ts'
import { requiredAlgs, stateOf } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { emptyStorage } from '../support/boot.ts'
import type { Child } from '../support/child.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startCommand } from '../support/node-process.ts'
import { postgresConversation } from '../support/postgres-wire.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createGate, type Point, type Strike, strikesAt } from './gate.ts'

const suite = servicesFound() ? describe : describe.skip
suite('keys rotate that is killed at any statement (R-02)', function () {
  this.timeout(300_000)
  let core: Core
  let env: Record<string, string>
  let tenants = 0

  before(async () => {
    env = await emptyStorage()
    core = await openNode(env)
  })
  after(async () => {
    backToPresent()
    await core?.close()
  })

  async function newTenant(): Promise<string> {
    const id = `t${tenants++}`
    await core.tenants.declare({ id, name: id })
    await core.signing.ensure(id, ['ES256'])
    return id
  }

  const rotateThrough = (tenant: string, target?: Strike) =>
    runThrough(['keys', 'rotate', '--alg', 'ES256', '--tenant', tenant], env, { target })

  /** Runs a command in a process that reaches Postgres only through the gate. */
  async function runThrough(
    command: string[],
    settings: Record<string, string>,
    {
      target,
      until,
    }: {
      target?: Strike | undefined
      /** When to kill a command that does not end by itself. */
      until?: (points: readonly Point[]) => boolean
    },
  ) {
    let child: Child | undefined
    const gate = createGate(() => child?.signal('SIGKILL'))
    gate.arm(target)
    const there = new URL(env['DATABASE_URL'] ?? '')
    const proxy = await startTcpProxy(Number(there.port), (link) =>
      gate.relay('postgres', postgresConversation(), link),
    )
    there.host = `127.0.0.1:${proxy.port}`
    try {
      child = await startCommand(command, {
        ...settings,
        DATABASE_URL: there.href,
        REDIS_URL: '',
      })
      if (until)
        await eventually('the process reaches the moment of the kill', () => until(gate.counted()))
      if (until) child.signal('SIGKILL')
      const { code } = await child.exit
      return { code, points: gate.counted(), isStruck: gate.isStruck(), stderr: child.stderr() }
    } finally {
      await proxy.stop()
    }
  }

  /** Asserts that one key is active, with at most one pending successor. @returns whether it has one */
  async function expectOneSet(tenant: string): Promise<boolean> {
    const keys = (await core.signing.list(tenant)).filter(({ alg }) => alg === 'ES256')
    const now = core.clock.now()
    const [first, second, ...others] = keys.toSorted((a, b) => a.publishAt - b.publishAt)
    expect(others, 'further keys').to.deep.equal([])
    expect(first && stateOf(first, now)).to.equal('active')
    if (!second) {
      expect(first?.retireAt, 'retirement without a successor').to.equal(undefined)
      return false
    }
    expect(stateOf(second, now)).to.equal('pending')
    expect(first?.retireAt).to.equal(second.activateAt)
    expect(second.retireAt).to.equal(undefined)
    return true
  }

  it('leaves one consistent key set, and the next attempt ends in one successor', async () => {
    const unharmed = await rotateThrough(await newTenant())
    expect(unharmed.code, unharmed.stderr).to.equal(0)
    const inTransaction = unharmed.points.findIndex(({ text }) => /begin|start tr/i.test(text))
    // The statements before the rotation's own transaction only read, and are the same for every command.
    const points = unharmed.points.slice(Math.max(0, inTransaction - 2))
    expect(points.length).to.be.at.least(7)
    let committed = 0
    const failures: string[] = []
    const strikes = strikesAt(points)
    for (const target of strikes) {
      const tenant = await newTenant()
      const struck = await rotateThrough(tenant, target)
      try {
        expect(struck.isStruck, `not struck: ${struck.stderr}`).to.equal(true)
        if (await expectOneSet(tenant)) committed++
        await core.signing.rotate(tenant, 'ES256')
        expect(await expectOneSet(tenant), 'successor after the next attempt').to.equal(true)
      } catch (error) {
        const { side, text, nth } = target
        failures.push(`${side} ${text} (${nth}): ${(error as Error).message}`)
      }
    }
    process.stdout.write(
      `      of ${points.length} statements killed wherever one makes a difference; ` +
        `${committed} of ${strikes.length} times after COMMIT\n`,
    )
    expect(failures).to.deep.equal([])
    expect(committed).to.be.within(1, points.length)
  })

  it('does not block other processes when a server is killed while it makes the first keys', async () => {
    const isClaim = ({ text }: Point) => text.startsWith('insert into signing_key_claims')
    const serve = { ...env, PORT: String(await freePort()) }
    const unharmed = await runThrough(['serve'], serve, {
      until: (points) => points.some(isClaim),
    })
    await core.database.execute('delete from signing_keys')
    await core.database.execute('delete from signing_key_claims')
    const claim = unharmed.points.filter(isClaim).at(-1) as Point
    const struck = await runThrough(['serve'], serve, { target: { ...claim, side: 'after' } })
    expect(struck.isStruck, struck.stderr).to.equal(true)
    const [row] = await core.database.query<{ left: number }>(
      'select count(*)::int as left from signing_key_claims',
    )
    expect(row?.left, 'claims left behind').to.be.above(0)

    const next = core.signing.ensure(defaultTenant, requiredAlgs)
    travel(claimLife / 1000)
    expect(await next).to.equal(true)
    const algs = (await core.signing.list(defaultTenant)).map(({ alg }) => alg)
    expect(algs).to.have.members(requiredAlgs)
  })
})
