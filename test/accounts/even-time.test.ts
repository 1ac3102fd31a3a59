import { expect } from 'chai'
import { createEvenTime } from '../../src/accounts/even-time.ts'

describe('the time that a wrong password takes', () => {
  it('does not grow when hashes differ only in the order of their parameters', async () => {
    const evenTime = createEvenTime()
    for (const parameters of ['m=19456,p=1,t=2', 'm=19456,t=2,p=1']) {
      await evenTime.measure(`$argon2id$v=19$${parameters}$c2FsdA$a2V5`, async () => true)
    }
    const began = performance.now()
    await evenTime.wait(-1000)
    expect(performance.now() - began).to.be.below(500)
  })

  it('is that of the slowest kind of hash in use (ASVS 6.3.8)', async () => {
    const evenTime = createEvenTime()
    for (const memory of [1024, 19_456]) {
      await evenTime.measure(`$argon2id$v=19$m=${memory},t=2,p=1$c2FsdA$a2V5`, async () => true)
    }
    const began = performance.now()
    await evenTime.wait(-50)
    expect(performance.now() - began).to.be.at.least(49)
  })
})
