import { expect } from 'chai'
import type { AccessTokenClaims } from '../../src/oidc/structured-tokens.ts'
import { createVerifiedTokens } from '../../src/oidc/verified-tokens.ts'

describe('the cache of verified tokens', () => {
  const until = (exp: number): AccessTokenClaims => ({ tenant_id: 'a', client_id: 'b', exp })

  it('is limited across all key sets, and evicts the oldest token', () => {
    const open = createVerifiedTokens(3)
    const [one, other] = [open(), open()]
    one.keep('a', until(100))
    one.keep('b', until(100))
    for (const hash of ['c', 'd']) other.keep(hash, until(100))
    expect(['a', 'b'].map((hash) => one.get(hash, 0)?.exp)).to.deep.equal([undefined, 100])
    expect(['c', 'd'].map((hash) => other.get(hash, 0)?.exp)).to.deep.equal([100, 100])
    expect(other.get('b', 0), 'of another key set').to.equal(undefined)
  })

  it('removes an expired token when it is read', () => {
    const tokens = createVerifiedTokens(2)()
    tokens.keep('kept', until(200))
    tokens.keep('expired', until(100))
    expect(tokens.get('expired', 100)).to.equal(undefined)
    expect(tokens.get('expired', 0), 'whatever the clock says afterwards').to.equal(undefined)
    tokens.keep('new', until(200))
    expect(tokens.get('kept', 100)?.exp).to.equal(200)
  })
})
