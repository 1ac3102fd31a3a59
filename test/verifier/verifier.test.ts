import { globSync, readFileSync } from 'node:fs'
import { createVerifier, TokenRefused, Unavailable, type VerifierOptions } from '@keyturn/verifier'
import { expect } from 'chai'
import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { eventually } from '../support/eventually.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

describe('the verifier', () => {
  let issuer: SmallIssuer
  const feed = {
    clientId: 'orders-api',
    clientSecret: 'secret',
    mode: 'poll',
    maxStaleness: 10,
    whenStale: 'refuse',
  } as const

  beforeEach(async () => {
    issuer = await startSmallIssuer()
  })
  afterEach(async () => {
    backToPresent()
    await issuer.stop()
  })

  const options = (more: Partial<VerifierOptions> = {}): VerifierOptions => ({
    issuer: issuer.url,
    audience: issuer.audience,
    jwks: { whenUnreachable: 'refuse' },
    ...more,
  })
  const verdictBy = (verifier: ReturnType<typeof createVerifier>) => async (token: string) =>
    verifier.verify(token).then(
      () => 'accepted',
      (error: unknown) =>
        error instanceof TokenRefused
          ? error.reason
          : error instanceof Unavailable
            ? error.what
            : error,
    )

  it('returns subject, client, scopes and claims', async () => {
    const token = await issuer.token({ scope: 'orders:read orders:write' })
    const verified = await createVerifier(options()).verify(token)
    expect(verified).to.deep.include({
      token,
      subject: 'alice',
      clientId: 'web',
      scopes: ['orders:read', 'orders:write'],
      claims: decodeJwt(token),
    })
  })

  it('tolerates clocks that differ by 30 s, and no more (ASVS 9.2.1)', async () => {
    travel(0)
    const verdict = verdictBy(createVerifier(options()))
    expect(await verdict(await issuer.token({ exp: now() - 25 }))).to.equal('accepted')
    expect(await verdict(await issuer.token({ exp: now() - 35 }))).to.equal('time')
    expect(await verdict(await issuer.token({ nbf: now() + 25 }))).to.equal('accepted')
    expect(await verdict(await issuer.token({ nbf: now() + 35 }))).to.equal('time')
    expect(await verdict(await issuer.token({ iat: now() + 35 }))).to.equal('time')
  })

  it('accepts only the configured algorithms, whatever the token and the keys say (RFC 8725 §3.1)', async () => {
    const token = await issuer.token()
    expect(await verdictBy(createVerifier(options({ algorithms: ['PS256'] })))(token)).to.equal(
      'algorithm',
    )
    expect(issuer.asked, 'no requests').to.deep.equal({})
  })

  it('requires the configured scopes and tenant', async () => {
    const verifier = createVerifier(options({ requiredScopes: ['orders:read'], tenant: 'default' }))
    const verdict = verdictBy(verifier)
    expect(await verdict(await issuer.token())).to.equal('accepted')
    expect(await verdict(await issuer.token({ scope: 'orders:readmore' }))).to.equal('scope')
    expect(await verdict(await issuer.token({ scope: undefined }))).to.equal('scope')
    expect(await verdict(await issuer.token({ tenant_id: 'other' }))).to.equal('tenant')
    expect(await verdict(await issuer.token({ tenant_id: undefined }))).to.equal('tenant')
  })

  describe('its keys', () => {
    it('are fetched once for parallel verifications', async () => {
      const verdict = verdictBy(createVerifier(options()))
      const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.token()))
      expect(new Set(await Promise.all(tokens.map(verdict)))).to.deep.equal(new Set(['accepted']))
      expect(issuer.asked).to.deep.equal({ '/.well-known/openid-configuration': 1, '/jwks': 1 })
    })

    it('are fetched again for a new key id, but not for each of many unknown ones', async () => {
      const verifier = createVerifier(
        options({ jwks: { whenUnreachable: 'refuse', cooldown: 0.05 } }),
      )
      const verdict = verdictBy(verifier)
      expect(await verdict(await issuer.token())).to.equal('accepted')
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, i) => issuer.token({}, { kid: `x${i}` })),
      )
      expect(new Set(await Promise.all(made.map(verdict)))).to.deep.equal(new Set(['key']))
      expect(issuer.asked['/jwks']).to.be.at.most(2)
      await issuer.rotate(true)
      const token = await issuer.token()
      await eventually('the new key is known', async () => (await verdict(token)) === 'accepted')
    })

    it('are refused once removed, as soon as they are fetched again', async () => {
      const jwks = { whenUnreachable: 'accept', maxAge: 0.05 } as const
      const verdict = verdictBy(createVerifier(options({ jwks })))
      const token = await issuer.token()
      expect(await verdict(token)).to.equal('accepted')
      await issuer.rotate(false)
      await eventually('the removed key is refused', async () => (await verdict(token)) === 'key')
    })

    it('keep or stop working as configured when they cannot be fetched; without any, nothing is accepted', async () => {
      const by = (whenUnreachable: 'refuse' | 'accept') =>
        verdictBy(createVerifier(options({ jwks: { whenUnreachable, maxAge: 0.05 } })))
      const [refusing, accepting, late] = [by('refuse'), by('accept'), by('accept')]
      const token = await issuer.token()
      for (const verdict of [refusing, accepting]) expect(await verdict(token)).to.equal('accepted')
      issuer.answers['/jwks'] = (request) => request.socket.destroy()
      await eventually('the token is refused', async () => (await refusing(token)) === 'keys')
      expect(await accepting(token)).to.equal('accepted')
      expect(await late(token)).to.equal('keys')
      const asked = issuer.asked['/jwks']
      await Promise.all(Array.from({ length: 50 }, () => refusing(token)))
      expect(issuer.asked['/jwks'], 'no repeated requests').to.equal(asked)
    })

    it('are rejected when there are too many, when they arrive late, or when they are malformed', async () => {
      const timeout = 100
      for (const answer of [
        (body: (text: string) => void) => body(`{"keys":[${'{},'.repeat(300_000)}{}]}`),
        (body: (text: string) => void) => body('{"keys":{}}'),
        (body: (text: string) => void) => body('<html>'),
        () => undefined,
      ]) {
        issuer.answers['/jwks'] = (_, response) => answer((text) => void response.end(text))
        const verifier = createVerifier(options({ jwks: { whenUnreachable: 'refuse', timeout } }))
        expect(await verdictBy(verifier)(await issuer.token())).to.equal('keys')
      }
      issuer.answers['/jwks'] = (_, response) =>
        void response.writeHead(302, { location: `${issuer.url}/elsewhere` }).end()
      expect(await verdictBy(createVerifier(options()))(await issuer.token())).to.equal('keys')
      expect(issuer.asked['/elsewhere'], 'no redirect is followed').to.equal(undefined)
    })

    it('are rejected from discovery of another issuer (RFC 8414 §3.3)', async () => {
      issuer.answers['/.well-known/openid-configuration'] = (_, response) =>
        void response.end(
          JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `${issuer.url}/jwks` }),
        )
      expect(await verdictBy(createVerifier(options()))(await issuer.token())).to.equal('metadata')
    })
  })

  describe('by introspection', () => {
    const credentials = { clientId: 'orders-api', clientSecret: 'secret' }
    const policy = { check: 'introspect' } as const

    it('accepts only a clear answer of the issuer', async () => {
      const verifier = createVerifier(options({ introspection: credentials }))
      const token = await issuer.token()
      const ask = () =>
        verifier.verify(token, policy).then(
          () => 'accepted',
          (error: TokenRefused | Unavailable) => ('reason' in error ? error.reason : error.what),
        )
      expect(await ask()).to.equal('accepted')
      expect(issuer.last['/introspect']?.body).to.include(`token=${token}`)
      for (const [said, expected] of [
        ['{"active":false}', 'revoked'],
        ['{"active":"true"}', 'revoked'],
        ['{}', 'revoked'],
        ['{"active":true,"jti":"another"}', 'revoked'],
        ['true', 'introspection'],
        ['no JSON', 'introspection'],
      ] as const) {
        issuer.answers['/introspect'] = (_, response) => void response.end(said)
        expect(await ask(), said).to.equal(expected)
      }
      issuer.answers['/introspect'] = (_, response) => void response.writeHead(500).end()
      expect(await ask()).to.equal('introspection')
    })

    it('asks only about tokens that are otherwise valid, and only about the configured share', async () => {
      const verifier = createVerifier(options({ introspection: credentials }))
      await verifier.verify(`${await issuer.token()}x`, policy).catch(() => undefined)
      expect(issuer.asked['/introspect']).to.equal(undefined)
      const token = await issuer.token()
      for (let i = 0; i < 200; i++) await verifier.verify(token, { ...policy, share: 0.2 })
      expect(issuer.asked['/introspect']).to.be.within(5, 120)
    })

    it('authenticates with a form or a key, as configured (RFC 7523)', async () => {
      const token = await issuer.token()
      const posted = { ...credentials, authentication: 'client_secret_post' } as const
      await createVerifier(options({ introspection: posted })).verify(token, policy)
      expect(issuer.last['/introspect']?.body).to.include(
        'client_id=orders-api&client_secret=secret',
      )
      const { privateKey: key } = await generateKeyPair('ES256', { extractable: true })
      const jwk = { ...(await exportJWK(key)), kid: 'own', alg: 'ES256' }
      for (const privateKey of [jwk, { key, alg: 'ES256', kid: 'own' }]) {
        const introspection = { clientId: 'orders-api', privateKey }
        await createVerifier(options({ introspection })).verify(token, policy)
        const form = new URLSearchParams(issuer.last['/introspect']?.body)
        expect(decodeJwt(form.get('client_assertion') ?? '')).to.include({
          iss: 'orders-api',
          sub: 'orders-api',
          aud: issuer.url,
        })
      }
    })
  })

  describe('its guarantee', () => {
    it('is a sentence and figures for each policy', () => {
      const introspection = { clientId: 'orders-api', clientSecret: 'secret' }
      const verifier = createVerifier(options({ feed, introspection }))
      expect(verifier.guarantee().figures).to.deep.equal({
        check: 'feed',
        usually: 2,
        atMost: 40,
        whenFeedUnreachable: 'refuse',
        keysAtMost: 300,
        whenKeysUnreachable: 'refuse',
      })
      expect(verifier.guarantee().sentence).to.match(
        /within 2 s \(poll\).*After 10 s without news, every token is refused \(503\)/,
      )
      expect(verifier.guarantee({ check: 'offline' })).to.deep.include({
        sentence:
          'A revoked token is valid until it expires. A key that the issuer removed is refused after 300 s at the latest. If the keys cannot be fetched for that long, every token is refused (503).',
      })
      expect(verifier.guarantee({ check: 'introspect' }).figures).to.include({
        usually: 0,
        atMost: 0,
      })
      const sampled = verifier.guarantee({ check: 'introspect', share: 0.1 })
      expect(sampled.sentence).to.match(
        /10 % of requests.*For the others a revoked token.*within 2 s/,
      )
      const open = createVerifier(options({ feed: { ...feed, whenStale: 'accept' } })).guarantee()
      expect(open.sentence).to.include('tokens are still accepted')
      expect(open.figures).to.include({ atMost: null, whenFeedUnreachable: 'accept' })
    })

    it('has no default for an unreachable dependency, and options that weaken it are rejected', () => {
      const wrong: [RegExp, object][] = [
        [/jwks.whenUnreachable: expected 'refuse' or 'accept'/, { jwks: {} }],
        [
          /feed.whenStale: expected 'refuse' or 'accept'/,
          { feed: { ...feed, whenStale: undefined } },
        ],
        [/feed.mode/, { feed: { ...feed, mode: 'push' } }],
        [/feed.maxStaleness: expected 3 s or more/, { feed: { ...feed, maxStaleness: 1 } }],
        [/feed.maxStaleness: expected 15 s or more/, { feed: { ...feed, mode: 'stream' } }],
        [/either clientSecret or privateKey/, { feed: { ...feed, clientSecret: undefined } }],
        [/algorithms: expected some of/, { algorithms: ['HS256'] }],
        [/algorithms: expected some of/, { algorithms: ['none'] }],
        [/algorithms: expected some of/, { algorithms: [] }],
        [/clockTolerance: expected 30 to 60/, { clockTolerance: 300 }],
        [/expected an https URL/, { issuer: 'http://id.example.com' }],
        [/audience/, { audience: '' }],
        [/dpop.nonce.secret/, { dpop: { url: 'https://x.example', nonce: { secret: 'short' } } }],
        [/metadata.resource: expected a URL/, { audience: 'orders', metadata: {} }],
      ]
      for (const [message, more] of wrong) {
        expect(() => createVerifier(options(more)), String(message)).to.throw(TypeError, message)
      }
      const plain = createVerifier(options())
      expect(() => plain.assertPolicy({ check: 'feed' })).to.throw('no feed is configured')
      expect(() => plain.assertPolicy({ check: 'introspect' })).to.throw(
        'no introspection is configured',
      )
      expect(() => plain.assertPolicy({ share: 2 })).to.throw('share')
    })
  })

  it('accepts nothing from its caches after an hour', async () => {
    const verifier = createVerifier(options())
    const token = await issuer.token()
    await verifier.verify(token)
    travel(3600)
    expect(await verdictBy(verifier)(token)).to.equal('time')
  })

  it('imports only jose, and no runtime modules', () => {
    const files = globSync('packages/verifier/src/**/*.ts')
    const imported = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/from '([^.][^']*)'/g)].map(([, name]) => name),
    )
    expect(new Set(imported)).to.deep.equal(new Set(['jose']))
  })
})
