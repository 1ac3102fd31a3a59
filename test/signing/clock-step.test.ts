import { expect } from 'chai'
import { createClock } from '../../src/clock.ts'
import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'

/** The clocks of a machine whose clock can be set. */
function machine() {
  let shift = 0
  return {
    now: () => Date.now() + shift,
    monotonic: () => performance.now(),
    set: (seconds: number) => {
      shift += seconds * 1000
    },
  }
}

describe('a clock that is set while the server runs (R-08)', () => {
  for (const seconds of [-3600, -1, 1, 3600]) {
    it(`by ${seconds} seconds is noticed at once, and changes nothing until it is compared`, () => {
      const clocks = machine()
      const clock = createClock(clocks)
      clock.follow(Date.now() + 20_000, 0)
      clocks.set(seconds)
      expect(clock.steps).to.equal(1)
      expect(clock.now() - Date.now()).to.be.within(19_950, 20_050)
      expect(clock.seconds() - Date.now() / 1000).to.be.within(18.9, 20.1)
      clock.follow(Date.now() + 20_000, 0)
      expect(clock.steps).to.equal(1)
      expect(clock.now() - Date.now()).to.be.within(19_950, 20_050)
      expect(clock.offset / 1000).to.be.closeTo(20 - seconds, 0.1)
    })
  }

  it('by less than half a second is not', () => {
    const clocks = machine()
    const clock = createClock(clocks)
    clocks.set(0.4)
    expect(clock.steps).to.equal(0)
  })

  it('has nothing signed until the time is known again, and a pending key still waits (R-09)', async () => {
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
      const began = performance.now()
      let refused = 0
      await eventually('it signs again', async () => {
        const asked = performance.now() - began
        const signed = await sign().catch(() => undefined)
        if (!signed) refused = asked
        return signed
      })
      expect(refused, 'the bound').to.be.below(1000)
      expect(await signer()).to.equal(first)
      expect(core.clock.offset / 1000).to.be.closeTo(-3600, 1)
    } finally {
      await core.close()
    }
  })
})
