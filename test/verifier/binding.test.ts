import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import {
  createVerifier,
  TokenRefused,
  type Verifier,
  type VerifierOptions,
} from '@keyturn/verifier'
import { expect } from 'chai'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { createReplayMemory } from '../../packages/verifier/src/replay-memory.ts'
import { createAuthority } from '../support/certificates.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

describe('tokens that are bound', () => {
  let issuer: SmallIssuer
  const url = 'https://orders.example.com/api'

  before(async () => {
    issuer = await startSmallIssuer()
  })
  afterEach(backToPresent)
  after(() => issuer.stop())

  const create = (more: Partial<VerifierOptions>) =>
    createVerifier({
      issuer: issuer.url,
      audience: issuer.audience,
      jwks: { whenUnreachable: 'refuse' },
      ...more,
    })

  describe('to a key (RFC 9449)', () => {
    let verifier: Verifier
    let pair: Awaited<ReturnType<typeof generateKeyPair>>
    let jwk: JWK
    let token: string

    before(async () => {
      verifier = create({ dpop: { url } })
      pair = await generateKeyPair('ES256', { extractable: true })
      jwk = await exportJWK(pair.publicKey)
      token = await issuer.token({ cnf: { jkt: await calculateJwkThumbprint(jwk) } })
    })

    const athOf = (text: string) => createHash('sha256').update(text).digest('base64url')
    function proof(claims: object = {}, header: object = {}, key = pair.privateKey) {
      const usual = {
        htm: 'GET',
        htu: `${url}/orders`,
        jti: randomUUID(),
        iat: now(),
        ath: athOf(token),
      }
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
        .sign(key)
    }
    function ask(made: string | string[] | undefined, by: Verifier = verifier, more = {}) {
      const headers: Record<string, string[]> = {
        authorization: [`DPoP ${token}`],
        dpop: made === undefined ? [] : [made].flat(),
        ...more,
      }
      return by.protect({
        method: 'GET',
        target: '/orders?page=2',
        headers: (name) => headers[name] ?? [],
      })
    }
    const challengesOf = (decision: Awaited<ReturnType<typeof ask>>) =>
      decision.headers.filter(([name]) => name === 'WWW-Authenticate').map(([, value]) => value)

    it('count with their proof, whatever the query is', async () => {
      expect(await ask(await proof())).to.include({ granted: true })
      expect(await ask(await proof({ htu: `${url}/orders?a=b#c` }))).to.include({ granted: true })
      expect(
        await ask(await proof({ htu: `HTTPS://orders.example.com:443/api/x/../orders` })),
      ).to.include({ granted: true })
    })

    it('are refused with a proof that is wrong in anything (P-054)', async () => {
      const other = await generateKeyPair('ES256', { extractable: true })
      const otherJwk = await exportJWK(other.publicKey)
      const [head = '', payload = ''] = (await proof()).split('.')
      const wrong: Record<string, string | string[] | undefined> = {
        none: undefined,
        'no JWT': 'x',
        unsigned: `${head}.${payload}.`,
        'typ JWT': await proof({}, { typ: 'JWT' }),
        'no jwk': await proof({}, { jwk: undefined }),
        'a private jwk': await proof({}, { jwk: await exportJWK(pair.privateKey) }),
        'a symmetric jwk': await proof({}, { jwk: { kty: 'oct', k: 'AAAA' } }),
        'the jwk of another': await proof({}, { jwk: otherJwk }),
        'of another key altogether': await proof({}, { jwk: otherJwk }, other.privateKey),
        'another method': await proof({ htm: 'POST' }),
        'the method in lower case': await proof({ htm: 'get' }),
        'another address': await proof({ htu: `${url}/order` }),
        'another host': await proof({ htu: 'https://evil.example/api/orders' }),
        'no address': await proof({ htu: undefined }),
        'no ath': await proof({ ath: undefined }),
        'ath of another token': await proof({ ath: athOf('another') }),
        'no jti': await proof({ jti: undefined }),
        'a huge jti': await proof({ jti: 'x'.repeat(500) }),
        'made long ago': await proof({ iat: now() - 90 }),
        'made in the future': await proof({ iat: now() + 90 }),
        'iat as text': await proof({ iat: String(now()) }),
        'a critical extension': await proof({}, { crit: ['b64'], b64: true }),
      }
      for (const [what, made] of Object.entries(wrong)) {
        const decision = await ask(made)
        expect(decision, what).to.include({ granted: false, status: 401 })
        const [bearer, dpop] = challengesOf(decision)
        expect(bearer, 'the error stands where it was tried').to.equal('Bearer')
        expect(dpop, what).to.match(/^DPoP error="invalid_dpop_proof".*algs="ES256 EdDSA"$/)
      }
      const twice = await ask([await proof(), await proof()])
      expect(twice).to.include({ granted: false, status: 400 })
    })

    it('are refused as bearer tokens, and bearer tokens with a proof (RFC 9449 §7.1, §7.2)', async () => {
      const stolen = await ask(await proof(), verifier, { authorization: [`Bearer ${token}`] })
      expect(stolen).to.include({ granted: false, status: 401 })
      expect(challengesOf(stolen)[0]).to.include('error="invalid_token"')
      const plain = await issuer.token()
      const odd = await ask(await proof({ ath: athOf(plain) }), verifier, {
        authorization: [`DPoP ${plain}`],
      })
      expect(odd).to.include({ granted: false, status: 401 })
      const off = await verifier.verify(plain)
      expect(off.subject).to.equal('alice')
    })

    it('are asked for where they are required, and refused where DPoP is off', async () => {
      const strict = create({ dpop: { url, required: true } })
      const answer = await strict.protect({
        method: 'GET',
        target: '/orders',
        headers: (name) => (name === 'authorization' ? [] : []),
      })
      expect(challengesOf(answer)).to.deep.equal(['DPoP algs="ES256 EdDSA"'])
      const plain = await strict
        .verify(await issuer.token())
        .catch((error: TokenRefused) => error.reason)
      expect(plain).to.equal('binding')
      expect(await ask(await proof(), create({}))).to.include({ granted: false, status: 401 })
    })

    it('proofs count once, and their memory is bounded (C26)', async () => {
      const one = await proof()
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(one)))
      expect(answers.filter(({ granted }) => granted)).to.have.length(1)

      const memory = createReplayMemory(100)
      for (let i = 0; i < 300; i++)
        expect(memory.isFirst(`id-${i}`, 1000 + i / 10, 940)).to.equal(true)
      expect(memory.size()).to.be.at.most(100)
      // What was forgotten does not count a second time.
      for (let i = 0; i < 300; i++)
        expect(memory.isFirst(`id-${i}`, 1000 + i / 10, 940)).to.equal(false)
      expect(memory.isFirst('late', 1000, 940), 'made before what was forgotten').to.equal(false)
      expect(memory.isFirst('new', 1100, 1090)).to.equal(true)
      expect(memory.size(), 'what is too old for any proof is gone').to.equal(1)
    })

    it('a nonce is given with the refusal, is good in every process, and ends (RFC 9449 §9)', async () => {
      const dpop = { url, nonce: { secret: 'a secret of all processes of this API' } }
      const [one, other] = [create({ dpop }), create({ dpop })]
      const refused = await ask(await proof(), one)
      expect(challengesOf(refused)[1]).to.match(/^DPoP error="use_dpop_nonce"/)
      const { 'DPoP-Nonce': nonce } = Object.fromEntries(refused.headers)
      expect(nonce).to.match(/^[\w-]{24}$/)
      const granted = await ask(await proof({ nonce }), other)
      expect(granted).to.include({ granted: true })
      expect(granted.headers).to.deep.equal([['DPoP-Nonce', nonce]])
      travel(180)
      const late = await ask(await proof({ nonce }), other)
      expect(challengesOf(late)[1]).to.match(/error="use_dpop_nonce"/)
    })
  })

  it('to a certificate: DER or PEM, and nobody else’s (RFC 8705 §3)', async () => {
    const authority = await createAuthority()
    const [own, others] = [await authority.issue('CN=web'), await authority.issue('CN=other')]
    const { raw } = new X509Certificate(own.cert)
    const token = await issuer.token({
      cnf: { 'x5t#S256': createHash('sha256').update(raw).digest('base64url') },
    })
    const verifier = create({ mtls: {} })
    for (const certificate of [raw, own.cert, encodeURIComponent(own.cert)]) {
      expect((await verifier.verify(token, {}, { certificate })).subject).to.equal('alice')
    }
    for (const certificate of [others.cert, 'nonsense', undefined]) {
      const refused = await verifier
        .verify(token, {}, { certificate })
        .catch((error: unknown) => error)
      expect(refused).to.be.instanceOf(TokenRefused).with.property('reason', 'binding')
    }
    const plain = await issuer.token()
    expect((await verifier.verify(plain)).subject).to.equal('alice')
    const strict = await create({ mtls: { required: true } })
      .verify(plain)
      .catch((error: TokenRefused) => error.reason)
    expect(strict).to.equal('binding')
  })
})
