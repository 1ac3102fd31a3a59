import { expect } from 'chai'
import { maySign } from '../../src/signing/key-set.ts'
import {
  inUse,
  nextChange,
  type SigningKey,
  type SigningKeyState,
  signingAt,
  stateOf,
} from '../../src/signing/signing-key.ts'

const key = (kid: string, times: Partial<SigningKey>): SigningKey => ({
  kid,
  alg: 'ES256',
  publicJwk: {},
  publishAt: 100,
  activateAt: 200,
  ...times,
})

describe('signing key', () => {
  const whole = { retireAt: 300, removeAt: 400 }
  const table: Array<[times: Partial<SigningKey>, now: number, state: SigningKeyState]> = [
    [{}, 99, 'unpublished'],
    [{}, 100, 'pending'],
    [{}, 199, 'pending'],
    [{}, 200, 'active'],
    [{}, 1e15, 'active'],
    [whole, 299, 'active'],
    [whole, 300, 'retiring'],
    [whole, 399, 'retiring'],
    [whole, 400, 'removed'],
    [{ removeAt: 150 }, 150, 'removed'],
    [{ retireAt: 150 }, 150, 'retiring'],
    [{ publishAt: 200 }, 200, 'active'],
    // Made or revoked by a node whose clock is ahead: neither waits for this node's clock.
    [{ publishAt: 200 }, 190, 'active'],
    [{ retireAt: 300, removeAt: 300, revokedAt: 300 }, 290, 'revoked'],
  ]
  it('signs while it is active, and for a minute more for requests that began before (R-10)', () => {
    const long = key('a', { retireAt: 300, removeAt: 3e6 })
    const may = [199, 200, 300, 60_300, 60_301].map((now) => maySign(long, now))
    expect(may).to.deep.equal([false, true, true, true, false])
    expect(maySign(key('b', { revokedAt: 300 }), 250)).to.equal(false)
  })

  for (const [times, now, state] of table) {
    it(`is ${state} at ${now} with ${JSON.stringify(times)}`, () => {
      expect(stateOf(key('k', times), now)).to.equal(state)
    })
  }

  it('set is published with the active ones first, then retiring, then pending', () => {
    const keys = [
      key('unpublished', { publishAt: 1001, activateAt: 2000 }),
      key('pending', { publishAt: 900, activateAt: 2000 }),
      key('retiring', { retireAt: 950, removeAt: 5000 }),
      key('removed', { retireAt: 500, removeAt: 1000 }),
      key('older', { activateAt: 300 }),
      key('newer', { activateAt: 600 }),
    ]
    const order = inUse(keys, 1000).map(({ kid }) => kid)
    expect(order).to.deep.equal(['newer', 'older', 'retiring', 'pending'])
    expect(keys.map(({ kid }) => kid)[0], 'the argument is unchanged').to.equal('unpublished')
  })

  it('set never signs with a pending key while an active one exists', () => {
    const keys = [key('next', { publishAt: 900, activateAt: 1001 }), key('now', {})]
    expect(inUse(keys, 1000)[0]?.kid).to.equal('now')
    expect(inUse(keys, 1001)[0]?.kid).to.equal('next')
    expect(
      signingAt([keys[0] as SigningKey], 1000),
      'none rather than a pending one',
    ).to.deep.equal([])
    expect(signingAt(keys, 1001).map(({ kid }) => kid)).to.deep.equal(['next'])
  })

  it('set reports when time alone changes it next', () => {
    const keys = [key('next', { publishAt: 900, activateAt: 1001 }), key('now', whole)]
    const changes = [99, 100, 200, 300, 400, 900, 1001].map((now) => nextChange(keys, now))
    expect(changes).to.deep.equal([100, 200, 300, 400, 900, 1001, Infinity])
  })
})
