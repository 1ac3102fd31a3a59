import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { banner, operatorBox } from '../../src/cli/banner.ts'

const operator = { email: 'admin@localhost', oneTimePassword: 'aaaaa-bbbbb-ccccc-ddddd' }

describe('the banner of serve', () => {
  it('shows the address, the data folder, how to stop the server and what to do next', () => {
    const config = loadConfig({ PORT: '4000' })
    const text = banner({ version: '1.2.3', config, workers: 1, storage: '/srv/data/postgres' })
    expect(text)
      .to.include('Keyturn 1.2.3')
      .and.include('http://localhost:4000\n')
      .and.include('http://localhost:4000/.well-known/openid-configuration')
      .and.include('/srv/data/postgres')
      .and.include('Ctrl-C')
      .and.include('http://localhost:4000/account')
      .and.include('npm run keyturn -- apply')
      .and.not.include('One-time')
  })

  it('shows the one-time password in a box with lines of equal length', () => {
    const lines = operatorBox(operator, 86_400).split('\n')
    expect(new Set(lines.map((line) => line.length))).to.have.property('size', 1)
    expect(lines.join('\n'))
      .to.include(operator.oneTimePassword)
      .and.include('valid for 24 hours')
      .and.include('accounts reset admin@localhost')
    expect(operatorBox(operator, 600)).to.include('valid for 10 minutes')
  })

  it('never shows the credentials of Redis', () => {
    const place = (redis: string) =>
      banner({
        version: '1',
        workers: 4,
        config: loadConfig({ REDIS_URL: redis }),
        storage: 'x',
        operator,
      })
    expect(place('redis://me:hunter2@cache:6379'))
      .to.include('cache:6379')
      .and.not.include('hunter2')
    expect(place('redis+sentinel://me:hunter2@a,b/main'))
      .to.include('a:26379, b:26379')
      .and.not.include('hunter2')
  })
})
