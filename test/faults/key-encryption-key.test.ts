import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { freshStorage, testKey } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { startKeyTraffic } from '../support/key-traffic.ts'
import { type Outcome, startCommand, startNode } from '../support/node-process.ts'
import { postgresConversation } from '../support/postgres-wire.ts'
import { servicesFound } from '../support/root-hooks.ts'
import {
  keyFileOf,
  keyIdsIn,
  keyOf,
  newKey,
  type Reading,
  sealEverything,
  storageWithKeyFile,
  type TestKey,
} from '../support/sealed.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { createGate, type Point, type Strike } from './gate.ts'

const rotate = ['keys', 'rotate-kek', '--json']

const suite = servicesFound() ? describe : describe.skip
suite('keys rotate-kek that is killed between any two of its steps (R-02)', function () {
  this.timeout(180_000)
  let env: Record<string, string>
  let reading: Reading
  let current: TestKey = keyOf(testKey)

  before(async () => {
    env = await freshStorage('services')
    const core = await openNode(env)
    // Two batches of the largest column.
    reading = await sealEverything(core, 252)
    await core.close()
  })

  /** Runs one rotation in its own process, through the gate. @returns its outcome and the new key */
  async function rotateThrough(target?: Strike) {
    const next = newKey()
    const keys = { KEY_ENCRYPTION_KEY: next.text, KEY_ENCRYPTION_KEY_PREVIOUS: current.text }
    let kill = () => undefined as void
    const gate = createGate(() => kill())
    const url = new URL(env['DATABASE_URL'] as string)
    const proxy = await startTcpProxy(Number(url.port), (link) =>
      gate.relay('postgres', postgresConversation(), link),
    )
    url.host = `127.0.0.1:${proxy.port}`
    gate.arm(target)
    const command = await startCommand(rotate, { ...env, ...keys, DATABASE_URL: url.href })
    kill = () => command.signal('SIGKILL')
    const { signal } = await command.exit
    await proxy.stop()
    return { gate, next, keys, signal, stderr: command.stderr() }
  }

  it('leaves every secret readable, and the next run completes it', async () => {
    const whole = await rotateThrough()
    expect(whole.signal, whole.stderr).to.equal(null)
    current = whole.next
    const points = whole.gate
      .counted()
      .filter(({ text }) => /^update \w+ t set/.test(text) || text.includes('split_part'))
    const updates = points.filter(({ text }) => text.startsWith('update'))
    expect(updates.length, 'batches').to.be.above(5)

    // Before any work; after one of several columns; after one batch of a column; after all work, before its answer.
    const strikes: Strike[] = [
      { ...(points[0] as Point), side: 'before' },
      { ...(updates[0] as Point), side: 'after' },
      { ...(updates.find(({ nth }) => nth === 2) as Point), side: 'before' },
      { ...(updates.at(-1) as Point), side: 'after' },
    ]
    for (const strike of strikes) {
      const { gate, keys, next, signal } = await rotateThrough(strike)
      expect(gate.isStruck(), strike.text).to.equal(true)
      expect(signal).to.equal('SIGKILL')
      const core = await openNode({ ...env, ...keys })
      try {
        for (const id of await keyIdsIn(core, env)) expect([current.id, next.id]).to.include(id)
        await core.keyRotation.rotate(next.id)
        expect(await keyIdsIn(core, env)).to.deep.equal([next.id])
      } finally {
        await core.close()
      }
      current = next
    }
    process.stdout.write(
      `      killed at ${strikes.map(({ side, text, nth }) => `${side} ${text.slice(0, 30)} ${nth}`).join(', ')}\n`,
    )
    const core = await openNode({ ...env, KEY_ENCRYPTION_KEY: current.text })
    await reading(core)
    await core.close()
  })
})

describe('keys rotate-kek while a server runs on embedded storage', function () {
  this.timeout(180_000)
  const sessions = 1500
  let env: Record<string, string>
  let reading: Reading
  const done = (outcome: Outcome) => {
    expect(outcome.code, outcome.stderr).to.equal(0)
    return JSON.parse(outcome.stdout) as { generated: boolean; key_id: string }
  }

  before(async () => {
    env = {
      ...(await storageWithKeyFile('embedded')),
      PORT: String(await freePort()),
      LOG_LEVEL: 'info',
    }
    const core = await openNode(env)
    await core.firstStart()
    await furnish({ core })
    reading = await sealEverything(core, sessions)
    await core.close()
  })

  async function expectSealedUnder(...ids: string[]): Promise<void> {
    const core = await openNode(env)
    try {
      expect(await keyIdsIn(core, env)).to.include.members(ids)
      expect([...(await core.keyRotation.survey()).keys()]).to.have.members(ids)
      await reading(core)
    } finally {
      await core.close()
    }
  }

  it('fails no request', async () => {
    const node = await startNode({ env })
    const traffic = await startKeyTraffic(node.url)
    const keys = new Set([keyOf(testKey).id])
    for (let round = 0; round < 2; round++) {
      const { generated, key_id: id } = done(await runHere(rotate, env))
      expect(generated).to.equal(true)
      keys.add(id)
    }
    await eventually('there is traffic', () => (traffic.done['log-out'] ?? 0) > 1)
    await traffic.stop()
    const { code } = await node.stop()
    expect(code).to.equal(0)
    expect(traffic.failures, JSON.stringify(traffic.done)).to.deep.equal([])
    expect(keys.size, 'a new key each time').to.equal(3)
    process.stdout.write(`      ${JSON.stringify(traffic.done)}, no failure\n`)
    await expectSealedUnder([...keys].at(-1) as string)
  })

  /** The number of rows still sealed under another key than the current one, from the output of `doctor`. */
  const leftIn = (stdout: string) =>
    Number(/still sealed under others: (\d+) under/.exec(stdout)?.[1] ?? 0)
  const isBetween = (left: number) => left > 0 && left < sessions

  it('loses nothing when the server is killed just after the old key was put aside, or halfway', async () => {
    const previous = `${keyFileOf(env)}.previous`
    /** @param isThere the moment of the kill, by default at once. @returns the number of rows left under the old key */
    async function kill(isThere = async () => true): Promise<number> {
      let isThrough = false
      const command = runHere(rotate, env).finally(() => {
        isThrough = true
      })
      await eventually('the rotation has begun', () => isThrough || existsSync(previous), {
        every: 1,
      })
      await eventually(
        'the rotation reaches the moment of the kill',
        () => isThrough || isThere(),
        { every: 1 },
      )
      node.signal('SIGKILL')
      await node.exit
      const { code, stderr } = await command
      if (code !== 0) expect(stderr).to.include('The running server stopped before it answered')
      // After a kill a command works on its own.
      expect(existsSync(join(env['DATA_DIR'] as string, 'control.sock'))).to.equal(true)
      const { stdout } = await runHere(['doctor'], env)
      expect(stdout).to.not.match(/^fail/m)
      const left = leftIn(stdout)
      process.stdout.write(`      ${left} rows were sealed under the old key\n`)
      node = await startNode({ env })
      if (left > 0) expect(stdout).to.match(/^ok +previous key file .*mode 600/m)
      return left
    }
    const isHalfway = async () =>
      !existsSync(previous) || isBetween(leftIn((await runHere(['doctor'], env)).stdout))

    let node = await startNode({ env })
    try {
      let left = await kill()
      // The rotation may finish before it is seen halfway; then another one starts.
      for (let tries = 0; tries < 5 && (tries === 0 || !isBetween(left)); tries++) {
        left = await kill(isHalfway)
      }
      expect(left).to.satisfy(isBetween)
      const { key_id: id } = done(await runHere(rotate, env))
      expect(existsSync(previous)).to.equal(false)
      await node.stop()
      await expectSealedUnder(id)
    } finally {
      await node.stop()
    }
  })
})
