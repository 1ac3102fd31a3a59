import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { createVerifier, TokenRefused, type VerifierOptions } from '@keyturn/verifier'
import { expect } from 'chai'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { createAuthority } from '../support/certificates.ts'
import { now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

const hashOf = (data: string | Buffer) => createHash('sha256').update(data).digest('base64url')

describe('the errors of the verifier', () => {
  let issuer: SmallIssuer

  before(async () => {
    issuer = await startSmallIssuer()
  })
  after(() => issuer.stop())

  const create = (more: Partial<VerifierOptions> = {}) =>
    createVerifier({
      issuer: issuer.url,
      audience: issuer.audience,
      jwks: { whenUnreachable: 'refuse' },
      ...more,
    })
  const saidOf = (verified: Promise<unknown>) =>
    verified.then(
      () => 'accepted',
      (error: unknown) => (error instanceof TokenRefused ? error.message : String(error)),
    )
  const said = async (token: string | Promise<string>, more: Partial<VerifierOptions> = {}) =>
    saidOf(create(more).verify(await token))

  it('name what is wrong with a token for another audience or issuer, an ID token and an opaque token', async () => {
    const { audience, url, token } = issuer
    expect(await said(token({ aud: url }))).to.equal(`aud: expected ${audience}, got "${url}"`)
    expect(await said(token({}), { issuer: `${url}/` })).to.equal(
      `iss: expected ${url}/, got "${url}"`,
    )
    const idToken = token({}, { typ: undefined })
    expect(
      await said(idToken, { algorithms: ['RS256'] }),
      'the type before the algorithm',
    ).to.equal('typ: expected at+jwt, got nothing, as an ID token has')
    expect(await said(token(), { algorithms: ['RS256', 'PS256'] })).to.equal(
      'alg: expected RS256 or PS256, got "ES256"',
    )
    expect(await said('an-opaque-token')).to.equal('expected a JWT, of 3 parts; got 1')
    expect(await said(token({ tenant_id: 'acme' }), { tenant: 'default' })).to.equal(
      'tenant_id: expected default, got "acme"',
    )
  })

  it('name the expected header when the scheme is missing', async () => {
    const sent = await issuer.token()
    const headers = (name: string) => (name === 'authorization' ? [sent] : [])
    const decision = await create().protect({ method: 'GET', target: '/', headers })
    expect(decision).to.include({ granted: false, status: 401 })
    expect(decision).to.have.nested.property(
      'body.error_description',
      'expected the header Authorization: Bearer <access token>',
    )
  })

  it('show by how much a clock is wrong', async () => {
    expect(await said(issuer.token({ exp: now() - 3540 }))).to.match(
      /^it expired 35\d\d seconds ago$/,
    )
    expect(await said(issuer.token({ iat: now() + 3600 }))).to.match(
      /^it is not valid for another 3(600|5\d\d) seconds$/,
    )
  })

  it('contain the Request-Id of an introspection, so that the issuer can explain its answer', async () => {
    issuer.answers['/introspect'] = (_, response) =>
      void response.writeHead(200, { 'request-id': 'the-id' }).end('{"active":false}')
    const introspection = { clientId: 'orders-api', clientSecret: 'secret' }
    const verified = create({ introspection }).verify(await issuer.token(), { check: 'introspect' })
    expect(await saidOf(verified)).to.equal('the issuer says it is not active (Request-Id the-id)')
    issuer.answers['/introspect'] = (_, response) => void response.end('{"active":false}')
    const nameless = create({ introspection }).verify(await issuer.token(), { check: 'introspect' })
    expect(await saidOf(nameless)).to.equal('the issuer says it is not active')
    issuer.answers['/introspect'] = undefined
  })

  describe('for a DPoP proof (RFC 9449 §4.3)', () => {
    const url = 'https://api.example.com/orders'
    let pair: Awaited<ReturnType<typeof generateKeyPair>>
    let jwk: JWK
    let token: string

    before(async () => {
      pair = await generateKeyPair('Ed25519', { extractable: true })
      jwk = await exportJWK(pair.publicKey)
      token = await issuer.token({ cnf: { jkt: await calculateJwkThumbprint(jwk) } })
    })

    async function saidOfProof(
      claims: object = {},
      { alg = 'Ed25519', target = '/v1/list?page=2' } = {},
    ) {
      const usual = {
        htm: 'POST',
        htu: `${url}/v1/list`,
        jti: randomUUID(),
        iat: now(),
        ath: hashOf(token),
      }
      const header = { alg, typ: 'dpop+jwt', jwk }
      const proof = await new SignJWT({ ...usual, ...claims })
        .setProtectedHeader(header)
        .sign(pair.privateKey)
      const presented = {
        scheme: 'DPoP',
        method: 'POST',
        target,
        proof,
      } as const
      return saidOf(create({ dpop: { url } }).verify(token, {}, presented))
    }

    it('do not occur with any algorithm that the issuer accepts', async () => {
      expect(await saidOfProof()).to.equal('accepted')
      expect(await saidOfProof({}, { alg: 'EdDSA' })).to.equal('accepted')
    })

    it('do not occur for the root of the API with or without a trailing slash', async () => {
      const target = '/'
      expect(await saidOfProof({ htu: url }, { target })).to.equal('accepted')
      expect(await saidOfProof({ htu: `${url}/` }, { target })).to.equal('accepted')
      expect(await saidOfProof({ htu: 'https://api.example.com/' }, { target })).to.equal(
        `htu: expected ${url}/ or ${url}, got "https://api.example.com/"`,
      )
      expect(await saidOfProof({ htu: `${url}/v1/` }, { target: '/v1' })).to.match(/^htu: /)
    })

    it('occur for a path that leads outside the API by dots (RFC 3986 §5.2.4)', async () => {
      for (const target of ['/../billing/x', '/%2e%2e/billing/x', '\\..\\billing/x', 'x', '/..']) {
        for (const htu of ['https://api.example.com/billing/x', `${url}x`, `${url}/../`]) {
          expect(await saidOfProof({ htu }, { target }), `${target} ${htu}`).to.equal(
            `the address: expected an address below ${url}, got ${JSON.stringify(target)}`,
          )
        }
      }
      const target = '/v1/../v2/./list'
      expect(await saidOfProof({ htu: `${url}/v2/list` }, { target })).to.equal('accepted')
    })

    it('name the member, the expected value and the actual one', async () => {
      expect(await saidOfProof({ htm: 'post' })).to.equal('htm: expected POST, got "post"')
      const inside = 'http://10.0.0.7:8080/v1/list'
      expect(await saidOfProof({ htu: inside })).to.equal(
        `htu: expected ${url}/v1/list, got "${inside}"`,
      )
      expect(await saidOfProof({ htu: '/v1/list' })).to.equal(
        `htu: expected ${url}/v1/list, got "/v1/list"`,
      )
      expect(await saidOfProof({ htu: undefined })).to.match(/, got nothing$/)
      expect((await saidOfProof({ htu: `https://${'x'.repeat(4000)}` })).length).to.be.below(300)
      expect(await saidOfProof({ ath: undefined })).to.match(/^ath: .* access token .*got nothing$/)
      expect(await saidOfProof({ ath: hashOf('other') })).to.match(/^ath: .*got another$/)
      expect(await saidOfProof({ iat: now() - 300 })).to.match(
        /^iat: expected at most 60 seconds ago and at most 30 ahead, got 3\d\d ago$/,
      )
      expect(await saidOfProof({ iat: Date.now() })).to.match(/^iat: .* got \d{13} ahead$/)
      expect(await saidOfProof({ iat: undefined })).to.match(/^iat: .* got nothing$/)
    })
  })

  it("tell a certificate in any proxy's form from a forged one (RFC 8705 §3, RFC 9440)", async () => {
    const authority = await createAuthority()
    const [{ cert }, caller] = [await authority.issue('CN=web'), await authority.issue('CN=x')]
    const { raw } = new X509Certificate(cert)
    const token = await issuer.token({ cnf: { 'x5t#S256': hashOf(raw) } })
    const saidWith = (certificate: string | Uint8Array) =>
      saidOf(create({ mtls: {} }).verify(token, {}, { certificate }))
    const base64 = raw.toString('base64')
    const envoy = `Hash=1;Cert="${encodeURIComponent(cert)}";Subject="CN=web"`
    for (const passedOn of [raw, cert, encodeURIComponent(cert), `:${base64}:`, base64, envoy]) {
      expect(await saidWith(passedOn)).to.equal('accepted')
    }
    expect(await saidWith(cert.replaceAll('\n', ' '))).to.equal('accepted')
    for (const own of [`Cert="x",${envoy}`, `Cert="x";URI=\\,${envoy}`, `X=",${envoy}`]) {
      expect(await saidWith(own), own).to.equal('accepted')
    }
    for (const victims of [
      `${envoy},Hash=2;URI=spiffe://x`,
      `${envoy},Subject="CN=x,${envoy.replaceAll('"', '\\"')}"`,
      `${envoy};Subject=",Hash=2;Subject="CN=\\"x"`,
      `Cert="${encodeURIComponent(caller.cert)}";URI=x;${envoy}`,
      `${envoy};URI=x"`,
      `Hash=2;URI="x;${envoy}`,
      envoy.replace('Cert="', 'Cert=x"'),
      cert + caller.cert,
      encodeURIComponent(cert + cert),
    ]) {
      expect(await saidWith(victims), victims).to.match(/^the certificate cannot be read/)
    }
    for (const nonsense of ['(null)', '%E0%A4%A', ':no-base64:']) {
      expect(await saidWith(nonsense), nonsense).to.match(/^the certificate cannot be read/)
    }
    expect(await saidWith('')).to.equal('it was sent without its certificate')
  })
})
