import { Writable } from 'node:stream'
import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { beat, onEveryBeat } from '../src/beat.ts'
import { createLog } from '../src/log.ts'
import { pauseOf, type Round, repeat } from '../src/rounds.ts'
import { silentLog } from './support/cores.ts'
import { eventually } from './support/eventually.ts'

describe('rounds of background work', () => {
  const ends: (() => void)[] = []
  afterEach(() => {
    for (const end of ends.splice(0)) end()
  })

  function start(work: Round['work'], log = silentLog): () => void {
    const end = repeat({ seconds: 0.002, what: 'work', work }, log)
    ends.push(end)
    return end
  }

  /** Waits for as long as so many rounds take. */
  async function rounds(count: number): Promise<void> {
    let done = 0
    start(async () => void done++)
    await eventually('the other rounds run', () => done >= count)
  }

  it('are not overtaken by the next, however long one takes', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let begun = 0
    start(() => {
      begun++
      return promise
    })
    await eventually('the first round has begun', () => begun > 0)
    await rounds(20)
    expect(begun).to.equal(1)
    resolve()
    await eventually('more rounds follow', () => begun > 3)
  })

  it('go on after one that failed, which is logged', async () => {
    let lines = ''
    const destination = new Writable({
      write(chunk, _encoding, done) {
        lines += String(chunk)
        done()
      },
    })
    let begun = 0
    const log = createLog({ level: 'warn', destination })
    start(() => Promise.reject(new Error(`failure ${++begun}`)), log)
    await eventually('the third round has failed', () => lines.includes('failure 3'))
    expect(lines).to.include('background work failed').and.include('"what":"work"')
  })

  it('end when they are ended, also while one is under way', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let begun = 0
    const end = start(() => {
      begun++
      return promise
    })
    await eventually('the first round has begun', () => begun > 0)
    end()
    resolve()
    await rounds(20)
    expect(begun).to.equal(1)
  })

  it('of a process come together, never late, and not always after as long', () => {
    const began = performance.now()
    const due = Array.from({ length: 100 }, () => performance.now() + pauseOf(5) - began)
    expect(Math.min(...due)).to.be.within(3500, 4500)
    expect(Math.max(...due)).to.be.within(4500, 5050)
    const [first = 0] = due
    const beats = due.map((each) => (each - first) / beat)
    for (const each of beats) expect(each).to.be.closeTo(Math.round(each), 0.2)
    expect(new Set(beats.map(Math.round)).size).to.be.within(2, 3)
  })

  it('on the beat are done once on each, until that is ended', () => {
    const clock = install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      let done = 0
      const end = onEveryBeat(() => void done++)
      clock.tick(20 * beat)
      expect(done).to.equal(20)
      end()
      clock.tick(5 * beat)
      expect(done).to.equal(20)
    } finally {
      clock.uninstall()
    }
  })
})
