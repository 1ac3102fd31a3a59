import { type Clock, install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { createLog, figuresOf } from '../../src/log.ts'
import { withOrigin } from '../../src/origin.ts'

describe('repeated warnings in the log (ASVS 16.2)', () => {
  let clock: Clock
  let lines: Record<string, unknown>[]
  let log: ReturnType<typeof createLog>
  beforeEach(() => {
    clock = install({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    lines = []
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>)
    log = createLog({ level: 'debug', destination: { write } })
  })
  afterEach(() => clock.uninstall())

  const away = () => log.warn({ err: new Error('connect ECONNREFUSED') }, 'storage is away')

  it('are written five times, and then once in ten seconds with the number of repeats', () => {
    for (let i = 0; i < 1000; i++) away()
    expect(lines).to.have.length(5)
    clock.tick(10_000)
    expect(lines).to.have.length(6)
    expect(lines[5]).to.include({ msg: 'storage is away', repeated: 995 })
    expect(lines[5]).to.have.nested.property('err.message', 'connect ECONNREFUSED')
    away()
    away()
    clock.tick(10_000)
    expect(lines.map(({ repeated }) => repeated).filter(Boolean)).to.deep.equal([995, 2])
    expect(figuresOf(log)).to.deep.equal({ lines: { warn: 7 }, withheld: 997, lost: 0 })
  })

  it('are written again after ten quiet seconds', () => {
    for (let i = 0; i < 5; i++) away()
    clock.tick(10_000)
    away()
    expect(lines).to.have.length(6)
    expect(lines[5]).not.to.have.property('repeated')
  })

  it('are limited if they occur every two seconds', () => {
    for (let i = 0; i < 300; i++) {
      away()
      clock.tick(2000)
    }
    expect(lines.length, 'five, and one per ten seconds for ten minutes').to.be.within(60, 65)
    const stoodFor = lines.reduce((sum, { repeated = 1 }) => sum + Number(repeated), 0)
    expect(stoodFor + figuresOf(log).withheld).to.be.at.least(300)
    clock.tick(20_000)
    expect(lines.reduce((sum, { repeated = 1 }) => sum + Number(repeated), 0)).to.equal(300)
  })

  it('are not confused with other errors, levels, subjects, or lines that are not warnings', () => {
    for (let i = 0; i < 20; i++) {
      log.warn({ err: new Error(`another ${i}`) }, 'storage is away')
      log.warn({ tenant: `tenant-${i}` }, 'a tenant')
      log.info('the same')
      log.fatal('the end')
    }
    expect(lines).to.have.length(80)
  })

  it('of a request are all written, because they may be searched by its id', () => {
    for (let i = 0; i < 20; i++) {
      log.error({ request_id: `r${i}` }, 'request failed')
      withOrigin({ requestId: 'r' }, () => log.error('request failed'))
    }
    expect(lines).to.have.length(40)
    expect(lines.filter(({ request_id }) => request_id === 'r')).to.have.length(20)
  })

  it('are tracked only for a limited number of different lines', () => {
    for (let i = 0; i < 2000; i++) log.warn({ subject: i }, 'made up')
    expect(lines).to.have.length(2000)
    expect(clock.countTimers()).to.equal(500)
    clock.tick(20_000)
    expect(clock.countTimers()).to.equal(0)
  })
})
