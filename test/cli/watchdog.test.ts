import type { Worker } from 'node:cluster'
import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { watchOver } from '../../src/cli/watchdog.ts'
import { createLog } from '../../src/log.ts'
import { eventually } from '../support/eventually.ts'

/** A worker as its watchdog sees it. */
class Watched extends EventEmitter {
  readonly id = 7
  asked = 0
  /** How many pings it leaves unanswered. */
  silent = 0
  readonly killed: string[] = []
  readonly process = { pid: 4711, kill: (signal: string) => void this.killed.push(signal) }
  send(): void {
    this.asked++
    if (this.silent-- <= 0) setImmediate(() => this.emit('message', { watch: 'answered' }))
  }
}

describe('the watchdog of a worker (R-15)', () => {
  let lines: string[]
  let worker: Watched
  const pace = 5
  const asked = (times: number) =>
    eventually('the worker is pinged', () => worker.asked >= times || worker.killed.length > 0)
  beforeEach(() => {
    lines = []
    worker = new Watched()
    const log = createLog({
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    })
    watchOver(worker as unknown as Worker, log, pace)
  })
  afterEach(() => worker.emit('disconnect'))

  it('kills it after six unanswered pings, and logs that', async () => {
    worker.emit('listening')
    worker.silent = Infinity
    await eventually('the worker is killed', () => worker.killed.length > 0)
    worker.emit('disconnect')
    expect(worker.asked).to.equal(6)
    expect(worker.killed).to.deep.equal(['SIGKILL'])
    expect(JSON.parse(lines[0] ?? '')).to.include({
      level: 'error',
      of: 7,
      pid: 4711,
      msg: 'worker does not answer and is killed',
    })
  })

  it('kills it if it does not start to listen, and logs that', async () => {
    await eventually('the worker is killed', () => worker.killed.length > 0)
    expect([worker.asked, worker.killed]).to.deep.equal([0, ['SIGKILL']])
    expect(JSON.parse(lines[0] ?? '')).to.include({
      level: 'error',
      unanswered: 24,
      msg: 'worker does not listen and is killed',
    })
  })

  it('leaves it alone while it answers, or misses a few pings', async () => {
    worker.emit('listening')
    for (const silent of [1, 5, 3, 5]) {
      worker.silent = silent
      await asked(worker.asked + silent + 2)
    }
    expect(worker.killed).to.deep.equal([])
    expect(lines).to.deep.equal([])
  })

  it('does not ping it before it listens, nor after it disconnects', async () => {
    const other = new Watched()
    watchOver(other as unknown as Worker, createLog({ level: 'silent' }), pace)
    other.emit('listening')
    await eventually('the other worker is pinged', () => other.asked > 3)
    expect(worker.asked).to.equal(0)
    other.emit('disconnect')
    const before = other.asked
    worker.emit('listening')
    await asked(3)
    expect(other.asked).to.equal(before)
  })
})
