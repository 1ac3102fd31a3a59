import { type Clock, install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { createLog, figuresOf } from '../../src/log.ts'
import { withOrigin } from '../../src/origin.ts'

describe('a log of what goes wrong again and again (ASVS 16.2)', () => {
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

  it('has the same warning five times, and then one in ten seconds that says how many it stands for', () => {
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

  it('has it anew when it was quiet for ten seconds', () => {
    for (let i = 0; i < 5; i++) away()
    clock.tick(10_000)
    away()
    expect(lines).to.have.length(6)
    expect(lines[5]).not.to.have.property('repeated')
  })

  it('has no more of what fails every two seconds', () => {
    for (let i = 0; i < 300; i++) {
      away()
      clock.tick(2000)
    }
    expect(lines.length, 'five, and one in ten seconds of ten minutes').to.be.within(60, 65)
    const stoodFor = lines.reduce((sum, { repeated = 1 }) => sum + Number(repeated), 0)
    expect(stoodFor + figuresOf(log).withheld).to.be.at.least(300)
    clock.tick(20_000)
    expect(lines.reduce((sum, { repeated = 1 }) => sum + Number(repeated), 0)).to.equal(300)
  })

  it('has every other line: of another error, level, subject, and what is no warning', () => {
    for (let i = 0; i < 20; i++) {
      log.warn({ err: new Error(`another ${i}`) }, 'storage is away')
      log.warn({ tenant: `tenant-${i}` }, 'a tenant')
      log.info('the same')
      log.fatal('the end')
    }
    expect(lines).to.have.length(80)
  })

  it('has every line of a request, which somebody may ask for by its id', () => {
    for (let i = 0; i < 20; i++) {
      log.error({ request_id: `r${i}` }, 'request failed')
      withOrigin({ requestId: 'r' }, () => log.error('request failed'))
    }
    expect(lines).to.have.length(40)
    expect(lines.filter(({ request_id }) => request_id === 'r')).to.have.length(20)
  })

  it('remembers no more than so many different lines', () => {
    for (let i = 0; i < 2000; i++) log.warn({ subject: i }, 'made up')
    expect(lines).to.have.length(2000)
    expect(clock.countTimers()).to.equal(500)
    clock.tick(20_000)
    expect(clock.countTimers()).to.equal(0)
  })
})
