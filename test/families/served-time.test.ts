import { expect } from 'chai'
import { createClock } from '../../src/clock.ts'
import type { Core } from '../../src/core.ts'
import { createServedTime, outagesIn, timeBack } from '../../src/families/served-time.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { someFamily } from '../support/people.ts'

/** Seconds → milliseconds. */
const s = (seconds: number) => seconds * 1000

describe('served time, in which clients could get responses (ADR 0008)', () => {
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

  it('equals clock time without outages, and without records', () => {
    expect(back(30)).to.equal(970)
    expect(back(30, [0, 1000])).to.equal(970)
    expect(back(30, [995, 1000]), 'before the first record').to.equal(970)
    expect(back(30, [900, 984], [985, 1000]), 'a start takes a moment').to.equal(970)
  })

  it('excludes each outage', () => {
    expect(back(30, [900, 980], [990, 1000])).to.equal(960)
    expect(back(30, [0, 40], [200, 210], [600, 610], [995, 1000])).to.equal(35)
    expect(back(5, [0, 40], [995, 1000])).to.equal(995)
    expect(back(30, [0, 980]), 'an ongoing outage').to.equal(950)
  })

  it('continues while any process is up', () => {
    expect(back(30, [0, 970], [960, 985], [984, 1000])).to.equal(970)
    expect(back(30, [0, 1000], [400, 410], [900, 901])).to.equal(970)
    expect(back(100, [0, 950], [970, 975], [972, 1000]), 'until the last one is down').to.equal(880)
  })
})

onAnyStorage('served time, as recorded by processes', (kind) => {
  let core: Core
  /** Milliseconds for which the machine of `core` was suspended. */
  let suspended = 0
  const start = Date.now()
  /** The clocks of the machine, in milliseconds. */
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

  /** How far back 30 seconds of served time reach, in seconds. */
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

  it('continues from record to record, and excludes gaps between them', async () => {
    const one = process()
    await one.note()
    pass(4)
    await one.note()
    expect(await countPeriods()).to.equal(1)
    expect(await back(one)).to.equal(30)
    expect((await one.look()).waitingSince).to.equal(undefined)
    pass(20)
    expect(await back(process()), 'a process that has just started').to.equal(50)
    await one.note()
    expect(await countPeriods()).to.equal(2)
    expect(await back(one)).to.equal(50)
  })

  it('includes a gap in which a refresh was answered', async () => {
    await process().note()
    pass(100)
    await refreshAt(80)
    expect(await back(process())).to.equal(30)
  })

  it('extends to refreshes near both ends of a gap', async () => {
    await process().note()
    pass(100)
    expect(await back(process())).to.equal(130)
    await refreshAt(3)
    expect(await back(process()), 'a refresh after the last record').to.equal(127)
    await refreshAt(98)
    expect(await back(process()), 'a refresh before the next record').to.equal(125)
  })

  it('includes the time of a process that was too busy to record it', async () => {
    await process().note()
    pass(8)
    for (let second = 0; second < 8; second++) await refreshAt(second + 0.5)
    expect(await back(process())).to.equal(30)
  })

  it('starts when a stalled process resumes, even if recording fails', async () => {
    const one = process()
    await one.note()
    pass(60)
    const first = await one.look()
    expect(first.waitingSince).to.equal(at(0))
    pass(4)
    expect((await one.look()).waitingSince).to.equal(at(0))
    pass(4)
    expect((await one.look()).waitingSince, 'including requests that were late by then').to.equal(
      at(60),
    )
    await one.note()
    pass(4)
    await one.note()
    pass(4)
    await one.note()
    expect((await one.look()).waitingSince).to.equal(undefined)
  })

  it('excludes the time in which the machine and its monotonic clock were suspended', async () => {
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

  it('is deleted after a day', async () => {
    const one = process()
    await one.note()
    pass(24 * 3600 - 1)
    expect(await one.sweep()).to.equal(0)
    pass(2)
    expect(await one.sweep()).to.equal(1)
  })

  it('does not extend the replay of a token that was used while no process recorded (R-07)', async () => {
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

  it('is unknown on a machine that was suspended, until its clock has been compared', async () => {
    const consumed = { at: core.clock.now() - s(1), by: {}, answer: 'sealed' }
    suspended = s(100)
    await refusalOf(core.families.mayReplay(consumed, 30), 'deny_list_stale')
  })
})
