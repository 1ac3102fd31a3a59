import { expect } from 'chai'
import { createClock } from '../../src/clock.ts'
import type { Core } from '../../src/core.ts'
import { createServedTime, outagesIn, timeBack } from '../../src/families/served-time.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { someFamily } from '../support/people.ts'

/** Seconds, in milliseconds. */
const s = (seconds: number) => seconds * 1000

describe('the time in which somebody could be answered (ADR 0008)', () => {
  const now = s(1000)
  const back = (span: number, ...periods: [since: number, until: number][]) =>
    timeBack(
      now,
      outagesIn(
        [...periods, [1000, 1000] as const].map(([since, until]) => ({
          since: s(since),
          until: s(until),
        })),
      ),
    )(s(span)) / 1000

  it('is that of the clock where nobody was away, or nothing is known', () => {
    expect(back(30)).to.equal(970)
    expect(back(30, [0, 1000])).to.equal(970)
    expect(back(30, [995, 1000]), 'before the first period').to.equal(970)
    expect(back(30, [900, 984], [985, 1000]), 'a start takes a moment').to.equal(970)
  })

  it('leaves out each outage', () => {
    expect(back(30, [900, 980], [990, 1000])).to.equal(960)
    expect(back(30, [0, 40], [200, 210], [600, 610], [995, 1000])).to.equal(35)
    expect(back(5, [0, 40], [995, 1000])).to.equal(995)
    expect(back(30, [0, 980]), 'that goes on').to.equal(950)
  })

  it('goes on while any process is there', () => {
    expect(back(30, [0, 970], [960, 985], [984, 1000])).to.equal(970)
    expect(back(30, [0, 1000], [400, 410], [900, 901])).to.equal(970)
    expect(back(100, [0, 950], [970, 975], [972, 1000]), 'and no longer').to.equal(880)
  })
})

onAnyStorage('the time in which somebody could be answered, as processes note it', (kind) => {
  let core: Core
  /** Milliseconds that the machine of `core` was suspended. */
  let suspended = 0
  const start = Date.now()
  /** Of the machine, in milliseconds. */
  let time: { wall: number; monotonic: number }
  before(async () => {
    const clock = createClock({
      now: () => Date.now() + suspended,
      monotonic: () => performance.now(),
    })
    core = await openNode(await freshStorage(kind), 'migrate', clock)
  })
  beforeEach(async () => {
    time = { wall: start, monotonic: 0 }
    await core.database.execute('delete from served_periods')
    await core.database.execute('delete from refresh_tokens')
  })
  after(() => core?.close())

  function pass(seconds: number): void {
    time.wall += s(seconds)
    time.monotonic += s(seconds)
  }

  function process() {
    const monotonic = () => time.monotonic
    const clock = createClock({ now: () => time.wall, monotonic })
    return { clock, ...createServedTime({ database: core.database, clock, monotonic }) }
  }
  type Process = ReturnType<typeof process>

  /** Seconds that 30 seconds of it reach back. */
  const back = async (one: Process) => (time.wall - (await one.look()).back(s(30))) / 1000
  const at = (seconds: number) => start + s(seconds)
  const countPeriods = async () =>
    (await core.database.query('select id from served_periods')).length

  async function refreshAt(seconds: number): Promise<void> {
    const { token } = await someFamily(core)
    await core.database.execute(
      'update refresh_tokens set consumed_at = $2 where token_hash = $1',
      [token, new Date(at(seconds))],
    )
  }

  it('goes on from note to note, and leaves out what nobody noted', async () => {
    const one = process()
    await one.note()
    pass(4)
    await one.note()
    expect(await countPeriods()).to.equal(1)
    expect(await back(one)).to.equal(30)
    expect((await one.look()).waitingSince).to.equal(undefined)
    pass(20)
    expect(await back(process()), 'one that has just started').to.equal(50)
    await one.note()
    expect(await countPeriods()).to.equal(2)
    expect(await back(one)).to.equal(50)
  })

  it('is none of which a refresh tells that it was answered in the midst of it', async () => {
    await process().note()
    pass(100)
    await refreshAt(80)
    expect(await back(process())).to.equal(30)
  })

  it('begins and ends with a refresh near its ends', async () => {
    await process().note()
    pass(100)
    expect(await back(process())).to.equal(130)
    await refreshAt(3)
    expect(await back(process()), 'which was behind the last note').to.equal(127)
    await refreshAt(98)
    expect(await back(process()), 'which was before the first note').to.equal(125)
  })

  it('is not that of a process that is too busy to note it', async () => {
    await process().note()
    pass(8)
    for (let second = 0; second < 8; second++) await refreshAt(second + 0.5)
    expect(await back(process())).to.equal(30)
  })

  it('comes to a process that stood still as it looks, also while its notes fail', async () => {
    const one = process()
    await one.note()
    pass(60)
    const first = await one.look()
    expect(first.waitingSince).to.equal(at(0))
    pass(4)
    expect((await one.look()).waitingSince).to.equal(at(0))
    pass(4)
    expect((await one.look()).waitingSince, 'what was late by then is').to.equal(at(60))
    await one.note()
    pass(4)
    await one.note()
    pass(4)
    await one.note()
    expect((await one.look()).waitingSince).to.equal(undefined)
  })

  it('is not that in which the machine was suspended, and with it the clock that never jumps', async () => {
    const one = process()
    await one.note()
    pass(2)
    time.wall += s(60)
    await one.note()
    pass(1)
    one.clock.follow(time.wall, 0)
    const { waitingSince } = await one.look()
    expect(waitingSince).to.equal(at(2))
    expect(await back(one)).to.equal(91)
    await one.note()
    expect(await countPeriods()).to.equal(2)
  })

  it('is forgotten after a day', async () => {
    const one = process()
    await one.note()
    pass(24 * 3600 - 1)
    expect(await one.sweep()).to.equal(0)
    pass(2)
    expect(await one.sweep()).to.equal(1)
  })

  it('gives a token no longer life that a process without notes has answered (R-07)', async () => {
    const now = core.clock.now()
    await core.database.execute(
      `insert into served_periods (id, since, until) values ('before', $1, $1)`,
      [new Date(now - s(120))],
    )
    const { token } = await someFamily(core)
    const used = async (ago: number) => {
      await core.database.execute(
        'update refresh_tokens set consumed_at = $2 where token_hash = $1',
        [token, new Date(now - s(ago))],
      )
      return core.families.mayReplay({ at: now - s(ago), by: {}, answer: 'sealed' }, 30)
    }
    expect(await used(100)).to.equal(false)
    expect(await used(119), 'just before the outage').to.equal(true)
  })

  it('is not known to a machine that was suspended, until its clock is compared', async () => {
    const consumed = { at: core.clock.now() - s(1), by: {}, answer: 'sealed' }
    suspended = s(100)
    await refusalOf(core.families.mayReplay(consumed, 30), 'deny_list_stale')
  })
})
