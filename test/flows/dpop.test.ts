import { createHash, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { getDPoPHandle, randomDPoPKeyPair } from 'openid-client'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { itOnAny } from '../support/any-storage.ts'
import { booted, onEachStorage } from '../support/boot.ts'
import { alice, api, callback, furnish, machine, spa, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  expectRefusal,
  expectReturned,
  type Fields,
  post,
  type StoryClient,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

onEachStorage('DPoP', (kind) => {
  const test = itOnAny(kind)
  const server = booted(kind, {}, furnish)
  let pair: KeyPair
  let jwk: JWK
  const nonced = { ...machine, client_id: 'nonced', require_dpop_nonce: true }
  const now = () => Math.floor(Date.now() / 1000)

  before(async () => {
    await server.core.clients.declare(defaultTenant, nonced)
    await server.core.clients.declare(defaultTenant, {
      ...web,
      client_id: 'app',
      require_dpop_nonce: true,
      dpop_bound_access_tokens: true,
    })
    pair = await generateKeyPair('ES256', { extractable: true })
    jwk = await exportJWK(pair.publicKey)
  })
  afterEach(backToPresent)

  /** A valid proof for the token endpoint, changed by `claims` and `header`. */
  function proof(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) {
    const usual = { htm: 'POST', htu: `${server.issuer}/token`, jti: randomUUID(), iat: now() }
    return new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
      .sign(pair.privateKey)
  }
  const ask = (dpop: string, client: StoryClient = machine) =>
    post(server, '/token', client, { grant_type: 'client_credentials', resource: api }, { dpop })

  test('proofs are refused for each fault (P-054)', async () => {
    const stranger = await exportJWK(
      (await generateKeyPair('ES256', { extractable: true })).publicKey,
    )
    const [head = '', payload = '', signature = ''] = (await proof()).split('.')
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk })).toString(
      'base64url',
    )
    const hmac = await new SignJWT({
      htm: 'POST',
      htu: `${server.issuer}/token`,
      jti: 'x',
      iat: now(),
    })
      .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk })
      .sign(Buffer.from(JSON.stringify(jwk)))
    const wrong: Record<string, string> = {
      'no typ': await proof({}, { typ: undefined }),
      'typ JWT': await proof({}, { typ: 'JWT' }),
      'no jwk': await proof({}, { jwk: undefined }),
      'a private jwk': await proof({}, { jwk: await exportJWK(pair.privateKey) }),
      'a symmetric jwk': await proof({}, { jwk: { kty: 'oct', k: 'AAAA' } }),
      'the jwk of another key': await proof({}, { jwk: stranger }),
      'no algorithm': `${unsigned}.${payload}.`,
      HMAC: hmac,
      'no htm': await proof({ htm: undefined }),
      'htm GET': await proof({ htm: 'GET' }),
      'htm in lower case': await proof({ htm: 'post' }),
      'no htu': await proof({ htu: undefined }),
      'htu of another endpoint': await proof({ htu: `${server.issuer}/userinfo` }),
      'htu of another server': await proof({ htu: 'https://evil.example/token' }),
      'no jti': await proof({ jti: undefined }),
      'jti as a number': await proof({ jti: 4711 }),
      'an empty jti': await proof({ jti: '' }),
      'no iat': await proof({ iat: undefined }),
      'iat an hour ago': await proof({ iat: now() - 3600 }),
      'iat in an hour': await proof({ iat: now() + 3600 }),
      'iat as text': await proof({ iat: String(now()) }),
      'an unknown nonce': await proof({ nonce: 'x'.repeat(43) }),
      'a nonce as a number': await proof({ nonce: 1 }),
      'another signature': `${head}.${payload}.${signature.split('').toReversed().join('')}`,
      'no JWT': 'x',
      'two proofs': `${await proof()}, ${await proof()}`,
    }
    for (const [what, dpop] of Object.entries(wrong)) {
      const page = await ask(dpop)
      expect(page.status, what).to.equal(400)
      const { error } = page.json() as { error: string }
      expect(error, what).to.be.oneOf(['invalid_dpop_proof', 'use_dpop_nonce'])
    }
    expect(tokensIn(await ask(await proof())).token_type).to.equal('DPoP')
    expect((await ask(await proof({ htu: `${server.issuer}/token?a=b#c` }))).status).to.equal(200)
  })

  it('proofs are accepted once (P-054, C26)', async () => {
    const one = await proof()
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(one)))
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
  })

  it('a nonce is required where the client is registered so, sent with the refusal, and expires (P-054, RFC 9449 §8)', async () => {
    const refused = await ask(await proof(), nonced)
    expectRefusal(refused, 400, 'use_dpop_nonce')
    const nonce = refused.headers.get('dpop-nonce') ?? ''
    expect(nonce).to.match(/^[\w-]{20,}$/)
    const first = await ask(await proof({ nonce }), nonced)
    expect(tokensIn(first).token_type).to.equal('DPoP')
    expect((await ask(await proof({ nonce }), nonced)).status).to.equal(200)
    travel(600)
    const late = await ask(await proof({ nonce }), nonced)
    expectRefusal(late, 400, 'use_dpop_nonce')
    expect(late.headers.get('dpop-nonce'))
      .to.match(/^[\w-]{20,}$/)
      .and.not.equal(nonce)
  })

  test('a nonce is also required at PAR and userinfo (P-054, RFC 9449 §9)', async () => {
    const app = { ...web, client_id: 'app' }
    const request = Object.fromEntries(authorizeUrl(server, app).searchParams)
    const dpop = await proof({ htu: `${server.issuer}/par` })
    const pushed = await post(server, '/par', app, request, { dpop })
    expectRefusal(pushed, 400, 'use_dpop_nonce')
    let nonce = pushed.headers.get('dpop-nonce') ?? ''
    const { access_token: token } = tokensIn(
      await post(
        server,
        '/token',
        app,
        {
          grant_type: 'authorization_code',
          code: await codeFor(server, app),
          redirect_uri: callback,
          code_verifier: verifier,
        },
        { dpop: await proof({ nonce }) },
      ),
    )
    const url = new URL(`${server.issuer}/userinfo`)
    const ath = createHash('sha256').update(token).digest('base64url')
    const get = async (claims: Record<string, unknown>) =>
      exchange({
        method: 'GET',
        url,
        headers: {
          authorization: `DPoP ${token}`,
          dpop: await proof({ htm: 'GET', htu: url.href, ath, ...claims }),
        },
      })
    for (const wrong of [{}, { nonce: 'x'.repeat(43) }, { nonce: '' }]) {
      const refused = await get(wrong)
      expectRefusal(refused, 401, 'use_dpop_nonce')
      expect(refused.headers.get('www-authenticate')).to.match(/^DPoP .*error="use_dpop_nonce"/)
      nonce = refused.headers.get('dpop-nonce') ?? ''
      expect(nonce).to.match(/^[\w-]{43}$/)
    }
    expect((await get({ nonce })).status).to.equal(200)
  })

  test('a proof far in the future needs a nonce, so that none can be prepared for later (P-053)', async () => {
    expect((await ask(await proof({ iat: now() + 8 }))).status).to.equal(200)
    expect((await ask(await proof({ iat: now() - 61 }))).status).to.equal(200)
    const early = await ask(await proof({ iat: now() + 66 }))
    expectRefusal(early, 400, 'use_dpop_nonce')
    const nonce = early.headers.get('dpop-nonce') ?? ''
    expect((await ask(await proof({ iat: now() + 66, nonce }))).status).to.equal(200)
  })

  it('a proof with the latest accepted iat is accepted once, also in its last second (P-053, C26)', async () => {
    travel(0)
    const early = await proof({ iat: now() + 60 })
    expect((await ask(early)).status).to.equal(200)
    // A proof is accepted for five minutes after its iat, in whole seconds.
    travel(now() + 360.9 - Date.now() / 1000)
    await server.core.singleUse.sweep()
    expectRefusal(await ask(early), 400, 'invalid_dpop_proof')
    travel(0.2)
    expectRefusal(await ask(early), 400, 'use_dpop_nonce')
  })

  it('openid-client follows the nonce through PAR, code and refresh (K-40, RFC 9449 §8)', async () => {
    const party = await createRelyingParty({
      issuer: server.issuer,
      clientId: 'app',
      clientSecret: web.client_secret,
      redirectUri: callback,
    })
    const DPoP = getDPoPHandle(party.config, await randomDPoPKeyPair())
    const request = await party.push({ scope: 'openid offline_access' }, { DPoP })
    const returned = await createUserAgent().walk(request.url, {
      username: alice.email,
      password: alice.password,
    })
    const tokens = await party.finish(request, returned, {}, { DPoP })
    expect(tokens.token_type).to.equal('dpop')
    const next = await party.refresh(tokens.refresh_token as string, {}, { DPoP })
    expect(next.token_type).to.equal('dpop')
  })

  test('dpop_jkt in the authorization request binds the code to a key (RFC 9449 §10, P-017)', async () => {
    const dpop_jkt = await calculateJwkThumbprint(jwk)
    const redeem = async (code: string, headers: Record<string, string>, fields: Fields = {}) =>
      post(
        server,
        '/token',
        spa,
        {
          grant_type: 'authorization_code',
          code,
          redirect_uri: callback,
          code_verifier: verifier,
          ...fields,
        },
        headers,
      )
    const bound = { dpop_jkt }
    expect(
      (await redeem(await codeFor(server, spa, bound), { dpop: await proof() })).status,
    ).to.equal(200)
    expectRefusal(await redeem(await codeFor(server, spa, bound), {}), 400, 'invalid_grant')
    const other = await codeFor(server, spa, { dpop_jkt: dpop_jkt.toLowerCase() })
    expectRefusal(await redeem(other, { dpop: await proof() }), 400, 'invalid_grant')
    for (const malformed of ['x', `${dpop_jkt}=`, dpop_jkt.slice(1)]) {
      const asked = authorizeUrl(server, spa, { dpop_jkt: malformed })
      expectReturned(await createUserAgent().get(asked), 'invalid_request')
      const pushed = await post(server, '/par', spa, Object.fromEntries(asked.searchParams))
      expectRefusal(pushed, 400, 'invalid_request')
      expect(pushed.json()).to.have.property('error_description').that.includes('43 characters')
    }
  })

  test('userinfo requires the DPoP scheme, the key and the token hash for a bound token (P-054)', async () => {
    const code = await codeFor(server, spa)
    const { access_token: token } = tokensIn(
      await post(
        server,
        '/token',
        spa,
        { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier },
        { dpop: await proof() },
      ),
    )
    const url = new URL(`${server.issuer}/userinfo`)
    const ath = createHash('sha256').update(token).digest('base64url')
    const about = { htm: 'GET', htu: url.href, ath }
    const get = async (scheme: string, dpop?: string) =>
      exchange({
        method: 'GET',
        url,
        headers: { authorization: `${scheme} ${token}`, ...(dpop ? { dpop } : {}) },
      })
    expect((await get('DPoP', await proof(about))).status).to.equal(200)
    const refused = [
      await get('Bearer'),
      await get('Bearer', await proof(about)),
      await get('DPoP'),
      await get('DPoP', await proof({ ...about, ath: undefined })),
      await get('DPoP', await proof({ ...about, ath: 'x' })),
      await get('DPoP', await proof({ ...about, htm: 'POST' })),
    ]
    for (const [i, page] of refused.entries())
      expect(page.status, String(i)).to.be.oneOf([400, 401])
  })
})
