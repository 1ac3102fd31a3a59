import { Writable } from 'node:stream'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { createClock, createProcessClock, shiftProcessTime } from '../../src/clock.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'

const running = { now: () => Date.now(), monotonic: () => performance.now() }
const still = { now: () => 1e12, monotonic: () => 0 }

/** The clocks of a machine, of which one can be set. */
function machine({ now, monotonic } = running) {
  let shift = 0
  return {
    now: () => now() + shift,
    monotonic,
    set: (seconds: number) => {
      shift += seconds * 1000
    },
  }
}

describe('a clock that follows Postgres (R-08)', () => {
  const clock = createClock({ now: () => 0, monotonic: () => 0 })

  it('ignores readings that agree with it within their uncertainty', () => {
    clock.follow(1500, 2)
    expect(clock.offset).to.equal(1501)
    clock.follow(1502, 2)
    expect(clock.offset, 'after jitter').to.equal(1501)
    // The reading took 2 s, as every connection was taken; the database may have read its clock at the start or the
    // end.
    for (const databaseTime of [1501 - 2000, 1501]) {
      clock.follow(databaseTime, 2000)
      expect(clock.offset, 'after a slow reading').to.equal(1501)
    }
  })

  it('follows readings that differ by more', () => {
    clock.follow(4000, 2000)
    expect(clock.offset).to.equal(5000)
    clock.follow(-40, 2)
    expect(clock.offset).to.equal(-39)
  })
})

describe('a process clock that replaces Date (ADR 0033)', () => {
  const Native = Date
  /** Seconds between the process clock and the clock of the runtime. */
  const away = () => Math.round((Date.now() - Native.now()) / 1000)
  afterEach(() => {
    globalThis.Date = Native
    Native.prototype.constructor = Native
  })

  it('replaces an earlier one', () => {
    createProcessClock().follow(Native.now() + 3_600_000, 0)
    expect(away()).to.equal(3600)
    const second = createProcessClock()
    expect(away()).to.equal(0)
    second.follow(Native.now() + 60_000, 0)
    expect(away()).to.equal(60)
    expect(Math.round(second.offset / 1000)).to.equal(60)
  })

  it('shows the time of Postgres on a machine whose clock is wrong', () => {
    const real = Native.now()
    shiftProcessTime(3600)
    try {
      expect(away()).to.equal(3600)
      const clock = createProcessClock()
      expect(away()).to.equal(3600)
      clock.follow(real, 0)
      expect(away()).to.equal(0)
      expect(Math.round(clock.offset / 1000)).to.equal(-3600)
    } finally {
      shiftProcessTime(-3600)
    }
  })

  it('applies to every date, also one made before', () => {
    const made = new Native(0)
    createProcessClock().follow(Native.now() + 3_600_000, 0)
    for (const date of [made, new Date()]) {
      expect(date).to.be.instanceOf(Date).and.instanceOf(Native)
      const Again = date.constructor as DateConstructor
      expect(Math.round((new Again().getTime() - Native.now()) / 1000)).to.equal(3600)
    }
  })
})

describe('a clock that is set while the server runs (R-08)', () => {
  for (const seconds of [-3600, -1, 1, 3600]) {
    it(`by ${seconds} seconds is noticed at once, and keeps the time until the next comparison`, () => {
      const clocks = machine(still)
      const clock = createClock(clocks)
      const right = still.now() + 20_000
      clock.follow(right, 0)
      clocks.set(seconds)
      expect(clock.steps).to.equal(1)
      expect(clock.now()).to.equal(right)
      expect(clock.seconds()).to.equal(right / 1000)
      clock.follow(right, 0)
      expect(clock.steps).to.equal(1)
      expect(clock.now()).to.equal(right)
      expect(clock.offset / 1000).to.equal(20 - seconds)
    })
  }

  it('by less than half a second is ignored', () => {
    const clocks = machine(still)
    const clock = createClock(clocks)
    clocks.set(0.4)
    expect(clock.steps).to.equal(0)
  })

  it('suspends signing until the time is known again, while a pending key stays pending (R-09)', async () => {
    const clocks = machine()
    const core: Core = await openNode(
      await freshStorage('embedded'),
      'migrate',
      createClock(clocks),
    )
    try {
      const { signing } = core
      const sign = () => signing.sign(defaultTenant, 'ES256', 'test+jwt', { sub: 'alice' })
      const signer = async () =>
        (await signing.current(defaultTenant)).signing.find(({ alg }) => alg === 'ES256')?.kid
      await signing.ensure(defaultTenant, ['ES256', 'RS256'])
      const first = await signer()
      await signing.rotate(defaultTenant, 'ES256')
      await sign()
      clocks.set(3600)
      await refusalOf(sign(), 'signing_keys_stale')
      expect(await signer()).to.equal(first)
      const refused = await lastFailureAt(
        'the node signs again',
        async () => (await sign()) !== undefined,
      )
      expect(refused, 'milliseconds without signing').to.be.below(1000)
      expect(await signer()).to.equal(first)
      expect(core.clock.offset / 1000).to.be.closeTo(-3600, 1)
    } finally {
      await core.close()
    }
  })

  it('makes the node not ready and logs it at the next comparison, if it differs by more than a minute', async () => {
    const clocks = machine()
    const lines: string[] = []
    const destination = new Writable({
      write(line, _encoding, done) {
        lines.push(String(line))
        done()
      },
    })
    const PORT = String(await freePort())
    const config = loadConfig({ ...(await freshStorage('embedded')), PORT })
    const log = createLog({ level: 'error', destination })
    const core = await openCore(config, log, { schema: 'migrate', clock: createClock(clocks) })
    await core.firstStart()
    const server = await startServer(core)
    try {
      for (const [seconds, status, clock, told] of [
        [-30, 200, /^ok$/, 0],
        [-60, 503, /^(89|90|91) s off$/, 1],
      ] as const) {
        clocks.set(seconds)
        await core.denials.refresh()
        const answer = await fetch(`http://localhost:${PORT}/readyz`)
        expect(await answer.json())
          .to.have.property('clock')
          .that.matches(clock)
        expect(answer.status).to.equal(status)
        expect(lines.join('').match(/of this machine and Postgres differ/g) ?? []).to.have.length(
          told,
        )
      }
    } finally {
      await server.stop()
      await core.close()
    }
  })

  it('makes the deny-list and the changes stale until the next comparison', async () => {
    const clocks = machine()
    const core = await openNode(await freshStorage('embedded'), 'migrate', createClock(clocks))
    const { denials, changes } = core
    const knows = () => denials.asOf() > 0 && changes.isFresh()
    try {
      await eventually('the node knows the denials', knows)
      clocks.set(3600)
      expect(() => denials.asOf())
        .to.throw()
        .with.property('code', 'deny_list_stale')
      expect(changes.isFresh()).to.equal(false)
      expect(
        await lastFailureAt('the node knows the denials again', knows),
        'milliseconds of staleness',
      ).to.be.below(1000)
    } finally {
      await core.close()
    }
  })
})
