import { expect } from 'chai'
import { createNameCheck, newNames } from '../../src/resources/known-names.ts'

describe('names of scopes and resource servers', () => {
  const known = { scopes: new Set(['openid', 'orders:read']), resources: new Set(['urn:orders']) }

  it('are suggested for unknown names, but only for a limited number of them', () => {
    const check = createNameCheck(known)
    const first = check({ scope: 'orders:raed', resources: ['urn:order'] })
    expect(first).to.deep.equal([
      'scope: no resource server has the scope orders:raed (orders:read?): declare it in a resource server first; known scopes: openid, orders:read',
      'resources: there is no resource server urn:order (urn:orders?): declare it first, in the same file or before; known resource servers: urn:orders',
    ])
    for (let i = 0; i < 60; i++) check({ scope: `made-up-${i}` })
    expect(check({ scope: 'orders:reda' })).to.deep.equal([
      'scope: no resource server has the scope orders:reda: declare it in a resource server first; known scopes: openid, orders:read',
    ])
    expect(check({ scope: 'openid orders:raed' }), 'cached').to.deep.equal(first.slice(0, 1))
  })

  it('are new unless they are stored already', () => {
    const stored = { scope: 'openid gone', resources: ['urn:gone'] }
    expect(newNames(stored, { ...stored, scope: 'gone openid more' })).to.equal(undefined)
    expect(newNames({ scope: 'openid new gone' }, stored)).to.deep.equal({
      scope: 'new',
      resources: [],
    })
    expect(newNames({ resources: ['urn:gone', 'urn:new'] }, stored)).to.deep.equal({
      resources: ['urn:new'],
    })
    expect(newNames({}, stored)).to.equal(undefined)
  })
})
