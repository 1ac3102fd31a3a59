import { createPublicKey, verify } from 'node:crypto'
import { expect } from 'chai'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { createEnvelopes } from '../../src/secrets/seal.ts'
import { signedJwt } from '../../src/signing/jwt.ts'
import { createSealedSigner } from '../../src/signing/sealed-signer.ts'
import { type SigningAlg, signingAlgs } from '../../src/signing/signing-key.ts'
import { refusalOf } from '../support/cores.ts'

describe('sealed signer', () => {
  const envelopes = createEnvelopes({ current: Buffer.alloc(32, 7), previous: [] })
  const seal = async (purpose: string, plain: string) => envelopes.seal(purpose, plain)
  const signer = createSealedSigner({ ...envelopes, seal }, 2048)
  const made = async (alg: SigningAlg) => {
    const key = await signer.generate('default', alg)
    return { ...key, sealed: await key.keep() }
  }
  const claims = { iss: 'https://id.example', sub: 'alice', ünïcode: '✓' }

  for (const alg of signingAlgs) {
    it(`signs ${alg} as verifiers expect (RFC 7518 §3)`, async () => {
      const key = await made(alg)
      const opened = {
        ...key,
        ...(await signer.open('default', key)),
        publishAt: 0,
        activateAt: 0,
      }
      const jwt = await signedJwt(opened, 'logout+jwt', claims)
      const jwks = createLocalJWKSet({ keys: [key.publicJwk] })
      const verified = await jwtVerify(jwt, jwks, { typ: 'logout+jwt', algorithms: [alg] })
      expect(verified.payload).to.deep.equal(claims)
      expect(verified.protectedHeader).to.deep.equal({ alg, typ: 'logout+jwt', kid: key.kid })
    })
  }

  it('signs ES256 in 64 bytes, whatever the numbers are (RFC 7518 §3.4)', async () => {
    const key = await made('ES256')
    const { sign } = await signer.open('default', key)
    const publicKey = createPublicKey({ key: key.publicJwk, format: 'jwk' })
    // One in 256 signatures has a shorter number.
    for (let i = 0; i < 1500; i++) {
      const data = Buffer.from(`token ${i}`)
      const signature = await sign(data)
      expect(signature).to.have.length(64)
      const verifier = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
      expect(verify('sha256', data, verifier, signature), String(i)).to.equal(true)
    }
  })

  it('opens a key only for its tenant', async () => {
    const key = await made('ES256')
    await refusalOf(signer.open('other', key), 'key_encryption_key_invalid')
  })
})
