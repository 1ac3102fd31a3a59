import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import {
  createVerifier,
  type Policy,
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

describe('bound tokens', () => {
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
    function ask(
      made: string | string[] | undefined,
      by: Verifier = verifier,
      more = {},
      policy?: Policy,
    ) {
      const headers: Record<string, string[]> = {
        authorization: [`DPoP ${token}`],
        dpop: made === undefined ? [] : [made].flat(),
        ...more,
      }
      const request = {
        method: 'GET',
        target: '/orders?page=2',
        headers: (name: string) => headers[name] ?? [],
      }
      return by.protect(request, policy)
    }
    const challengesOf = (decision: Awaited<ReturnType<typeof ask>>) =>
      decision.headers.filter(([name]) => name === 'WWW-Authenticate').map(([, value]) => value)

    it('are accepted with their proof, whatever the query', async () => {
      expect(await ask(await proof())).to.include({ granted: true })
      expect(await ask(await proof({ htu: `${url}/orders?a=b#c` }))).to.include({ granted: true })
      expect(
        await ask(await proof({ htu: `HTTPS://orders.example.com:443/api/x/../orders` })),
      ).to.include({ granted: true })
    })

    it('are refused with a proof that is wrong in any part (P-054)', async () => {
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
        expect(bearer, 'the error is in the challenge of the scheme that was used').to.equal(
          'Bearer',
        )
        expect(dpop, what).to.match(/^DPoP error="invalid_dpop_proof".*algs="ES256 Ed25519 EdDSA"$/)
      }
      const twice = await ask([await proof(), await proof()])
      expect(twice).to.include({ granted: false, status: 400 })
    })

    it('are refused as bearer tokens, as are bearer tokens with a proof (RFC 9449 §7.1, §7.2)', async () => {
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

    it('are required where configured, and refused where DPoP is off', async () => {
      const strict = create({ dpop: { url, required: true } })
      const answer = await strict.protect({
        method: 'GET',
        target: '/orders',
        headers: (name) => (name === 'authorization' ? [] : []),
      })
      expect(challengesOf(answer)).to.deep.equal(['DPoP algs="ES256 Ed25519 EdDSA"'])
      const plain = await strict
        .verify(await issuer.token())
        .catch((error: TokenRefused) => error.reason)
      expect(plain).to.equal('binding')
      expect(await ask(await proof(), create({}))).to.include({ granted: false, status: 401 })
    })

    it('accept each proof once, and bound the memory for that (C26)', async () => {
      const one = await proof()
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(one)))
      expect(answers.filter(({ granted }) => granted)).to.have.length(1)

      const memory = createReplayMemory(100)
      const isFirst = (i: number, at: number) => {
        const made = { key: `key-${i % 20}`, id: `id-${i}`, issuedAt: 1000 + i / 10 }
        return memory.isFirst(made, { oldest: 940, now: at })
      }
      for (let i = 0; i < 300; i++) expect(isFirst(i, 1000 + i / 10)).to.equal(true)
      expect(memory.size()).to.be.at.most(100)
      // A forgotten proof is not accepted a second time.
      for (let i = 0; i < 300; i++) expect(isFirst(i, 1030)).to.equal(false)
      const late = { key: 'late', id: 'late', issuedAt: 1000 }
      const isLate = memory.isFirst(late, { oldest: 940, now: 1030 })
      expect(isLate, 'older than what was forgotten').to.equal(false)
      const young = { key: 'new', id: 'new', issuedAt: 1100 }
      expect(memory.isFirst(young, { oldest: 1090, now: 1100 })).to.equal(true)
      expect(memory.size(), 'proofs that are too old are removed').to.equal(1)
    })

    it('are refused when their key sends too many proofs, without affecting other keys (C26)', async () => {
      const busy = create({ dpop: { url, remembered: 50 } })
      const iat = now() + 20
      const flood = await Promise.all(
        Array.from({ length: 60 }, async () => ask(await proof({ iat }), busy)),
      )
      expect(flood.filter(({ granted }) => granted)).to.have.length(5)
      const other = await generateKeyPair('ES256', { extractable: true })
      const otherJwk = await exportJWK(other.publicKey)
      const theirs = await issuer.token({ cnf: { jkt: await calculateJwkThumbprint(otherJwk) } })
      const made = await proof({ ath: athOf(theirs) }, { jwk: otherJwk }, other.privateKey)
      const spared = await ask(made, busy, { authorization: [`DPoP ${theirs}`] })
      expect(spared).to.include({ granted: true })
    })

    it('let a busy key lose only its own oldest proofs, none of which is accepted twice (C26)', () => {
      const memory = createReplayMemory(1000, 10)
      const isFirst = (key: string, id: string, issuedAt: number, at = 1000) =>
        memory.isFirst({ key, id, issuedAt }, { oldest: at - 60, now: at })
      expect(isFirst('calm', 'one', 995)).to.equal(true)
      // Five a second: a busy client with an accurate clock is not affected.
      for (let i = 0; i < 98; i++) {
        expect(isFirst('busy', `id-${i}`, 1000 + i / 5, 1000 + i / 5), `${i}`).to.equal(true)
      }
      expect(memory.size()).to.be.at.most(11)
      for (let i = 0; i < 98; i++) {
        expect(isFirst('busy', `id-${i}`, 1000 + i / 5, 1020), `${i}`).to.equal(false)
      }
      expect(isFirst('busy', 'late', 1001, 1020), 'in a second that was forgotten').to.equal(false)
      expect(isFirst('calm', 'one', 995, 1020)).to.equal(false)
      expect(isFirst('calm', 'two', 995, 1020), 'others keep their window').to.equal(true)
    })

    it('accept proofs dated in the future without taking the room of present ones (C26)', () => {
      const memory = createReplayMemory(100)
      const isFirst = (id: string, issuedAt: number, at: number) =>
        memory.isFirst({ key: `key of ${id}`, id, issuedAt }, { oldest: at - 60, now: at })
      const early = Array.from({ length: 500 }, (_, i) =>
        isFirst(`early-${i}`, 1001 + (i % 29), 1000),
      )
      expect(early.filter(Boolean)).to.have.length(50)
      for (let i = 0; i < 50; i++) expect(isFirst(`past-${i}`, 990 + i / 10, 1000)).to.equal(true)
      expect(memory.size()).to.equal(100)
      expect(isFirst('present', 1000, 1000)).to.equal(true)
      expect(isFirst('past-0', 990, 1000)).to.equal(false)
      expect(isFirst('early-0', 1001, 1001)).to.equal(false)
      // When the memory is full of present proofs, one from the future does not evict any.
      for (let i = 0; i < 100; i++) expect(isFirst(`then-${i}`, 1100, 1100)).to.equal(true)
      expect(isFirst('ahead', 1101, 1100)).to.equal(false)
      expect(isFirst('next', 1101, 1101)).to.equal(true)
    })

    it('use a proof up in a request that is granted, not in one that the token does not allow', async () => {
      const own = create({ dpop: { url } })
      const one = await proof()
      const refused = await ask(one, own, {}, { scopes: ['orders:everything'] })
      expect(refused).to.include({ granted: false, status: 403 })
      expect(await ask(one, own)).to.include({ granted: true })
      expect(await ask(one, own)).to.include({ granted: false, status: 401 })
      const wrong = await ask(await proof({ htm: 'POST' }), own, {}, { scopes: ['nothing'] })
      expect(wrong, 'the proof is checked first').to.include({ granted: false, status: 401 })
    })

    it('come with a nonce after a refusal, valid in every process until it expires (RFC 9449 §9)', async () => {
      // Each minute has its own nonce.
      travel(0)
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

  it('to a certificate are accepted with it in DER or PEM, and with no other (RFC 8705 §3)', async () => {
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
    const more = { 'x5t#S256': createHash('sha256').update(raw).digest('base64url'), osc: 'x' }
    const twofold = await issuer.token({ cnf: more })
    const unknown = await verifier
      .verify(twofold, {}, { certificate: raw })
      .catch((error: TokenRefused) => error.reason)
    expect(unknown, 'with a further confirmation method that is unknown').to.equal('binding')
    const plain = await issuer.token()
    expect((await verifier.verify(plain)).subject).to.equal('alice')
    const strict = await create({ mtls: { required: true } })
      .verify(plain)
      .catch((error: TokenRefused) => error.reason)
    expect(strict).to.equal('binding')
  })
})
