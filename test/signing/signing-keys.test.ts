import { expect } from 'chai'
import { calculateJwkThumbprint, createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import type { OpenSigningKey } from '../../src/signing/key-set.ts'
import { type SigningAlg, signingAlgs } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { errorOf, openedNodes } from '../support/cores.ts'
import { privateJwkOf, signsWell } from '../support/private-key.ts'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

onAnyStorage('signing keys', (kind) => {
  const nodes = openedNodes(kind)
  before(() => nodes.a.tenants.declare({ id: 'other', name: 'Other' }))

  it('are made once per algorithm, also by parallel calls on two nodes (R-24)', async () => {
    await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        (i % 2 ? nodes.a : nodes.b).signing.ensure('other', [...signingAlgs, 'ES256']),
      ),
    )
    const algs = (await nodes.a.signing.list('other')).map(({ alg }) => alg)
    expect(algs).to.have.members([...signingAlgs])
    expect(await nodes.b.signing.ensure('other', [...signingAlgs])).to.equal(false)
  })

  it('are active at once, named by their thumbprint (RFC 7638), and the same on every node', async () => {
    await nodes.a.signing.ensure(defaultTenant, ['ES256', 'RS256'])
    const { published: opened } = await nodes.a.signing.open(defaultTenant)
    const data = ({ sign: _sign, ...key }: OpenSigningKey) => key
    expect((await nodes.b.signing.open(defaultTenant)).published.map(data)).to.deep.equal(
      opened.map(data),
    )
    for (const { kid, alg, publicJwk } of opened) {
      expect(kid).to.equal(await calculateJwkThumbprint(publicJwk))
      expect(publicJwk).to.include({ kid, alg, use: 'sig' })
      expect(publicJwk).to.not.have.any.keys(...privateMembers)
    }
    for (const key of opened) expect(await signsWell(key)).to.equal(true)
    const sizes = (alg: SigningAlg): JWK | undefined =>
      opened.find((key) => key.alg === alg)?.publicJwk
    expect(Buffer.from(sizes('RS256')?.n ?? '', 'base64url').length * 8).to.be.at.least(2048)
    expect(sizes('ES256')?.crv).to.equal('P-256')
  })

  it('sign tokens of this server with the active key of an algorithm', async () => {
    await nodes.a.signing.ensure(defaultTenant, ['ES256'])
    const jwt = await nodes.a.signing.sign(defaultTenant, 'ES256', 'logout+jwt', { sub: 'alice' })
    const keys = (await nodes.b.signing.list(defaultTenant)).map(({ publicJwk }) => publicJwk)
    const { payload } = await jwtVerify(jwt, createLocalJWKSet({ keys }), { typ: 'logout+jwt' })
    expect(payload).to.deep.equal({ sub: 'alice' })
    const unknown = errorOf(nodes.a.signing.sign(defaultTenant, 'EdDSA', 'logout+jwt', {}))
    expect((await unknown).message).to.contain('EdDSA')
  })

  it('of a tenant are its own', async () => {
    await nodes.a.signing.ensure(defaultTenant, ['ES256'])
    await nodes.a.signing.ensure('other', ['ES256'])
    const kids = async (tenant: string) =>
      (await nodes.b.signing.list(tenant)).map(({ kid }) => kid)
    expect(await kids('other')).to.not.include.any.members(await kids(defaultTenant))
  })

  it('keep their private part sealed', async () => {
    await nodes.a.signing.ensure(defaultTenant, ['ES256'])
    const rows = JSON.stringify(await nodes.a.database.query('select * from signing_keys'))
    for (const { kid } of (await nodes.a.signing.open(defaultTenant)).published) {
      const { d } = await privateJwkOf(nodes.a, defaultTenant, kid)
      expect(d).to.be.a('string').with.length.above(40)
      expect(rows).to.not.contain(d)
    }
  })
})
