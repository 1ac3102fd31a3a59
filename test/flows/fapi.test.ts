import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { getDPoPHandle, modifyAssertion, PrivateKeyJwt, randomDPoPKeyPair } from 'openid-client'
import { isDomainError } from '../../src/errors.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { authorizeUrl, expectRefusal, post } from '../support/protocol.ts'
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

const callback = 'http://127.0.0.1:9/callback'
const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

onAnyStorage('a client of the FAPI 2.0 security profile', (kind) => {
  const server = booted(kind, { AUTHORIZATION_CODE_TTL: '300' }, furnish)
  let pair: KeyPair
  let rsa: KeyPair
  let party: RelyingParty
  let bank: Record<string, unknown>
  const credentials = { username: alice.email, password: alice.password }
  const now = () => Math.floor(Date.now() / 1000)

  before(async () => {
    pair = await generateKeyPair('ES256', { extractable: true })
    rsa = await generateKeyPair('RS256', { extractable: true })
    bank = {
      client_id: 'bank',
      fapi: '2.0',
      application_type: 'native',
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(pair.publicKey), await exportJWK(rsa.publicKey)] },
      dpop_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
      // The profile overrides these members.
      require_pushed_authorization_requests: false,
      client_assertion_audience: 'token_endpoint',
    }
    await server.core.clients.declare(defaultTenant, bank)
    party = await createRelyingParty({
      issuer: server.issuer,
      clientId: 'bank',
      redirectUri: callback,
      auth: PrivateKeyJwt(pair.privateKey),
      metadata: { id_token_signed_response_alg: 'ES256' },
    })
  })
  afterEach(backToPresent)

  const refusalOf = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: { error?: string; code?: string }) => error.error ?? error.code,
    )
  async function returned(DPoP: ReturnType<typeof getDPoPHandle>) {
    const request = await party.push({ scope: 'openid offline_access' }, { DPoP })
    return { request, back: await createUserAgent().walk(request.url, credentials) }
  }
  const handle = async () => getDPoPHandle(party.config, await randomDPoPKeyPair())

  it('completes the flow with openid-client, and keeps its refresh token (P-032, P-049, 5.3.2.1-9, 5.3.2.2-10)', async () => {
    const DPoP = await handle()
    const { request, back } = await returned(DPoP)
    expect(back.searchParams.get('iss')).to.equal(server.issuer)
    const tokens = await party.finish(request, back, {}, { DPoP })
    expect(tokens.token_type).to.equal('dpop')
    const next = await party.refresh(tokens.refresh_token as string, {}, { DPoP })
    expect(next.refresh_token ?? tokens.refresh_token).to.equal(tokens.refresh_token)
    expect(next.access_token).not.to.equal(tokens.access_token)
    // The refresh token is bound to the client, not to the key of its first tokens (RFC 9449 §5).
    const another = { DPoP: await handle() }
    const again = await party.refresh(tokens.refresh_token as string, {}, another)
    expect(again.token_type).to.equal('dpop')
  })

  it('must push its request, with client authentication (P-032, 5.3.2.2-2, -3)', async () => {
    const client = { client_id: 'bank' }
    const page = await createUserAgent().get(
      authorizeUrl(server, client, { redirect_uri: callback }),
    )
    expect(page.location?.searchParams.get('error')).to.equal('invalid_request')
    const form = { redirect_uri: callback, response_type: 'code', scope: 'openid' }
    expectRefusal(await post(server, '/par', client, form), 401, 'invalid_client')
  })

  it('must send PKCE and prove its key at the token endpoint (5.3.2.1-4, -5, 5.3.2.2-5)', async () => {
    const DPoP = await handle()
    const bare = party.push({ code_challenge: '', code_challenge_method: '' }, { DPoP })
    expect(await refusalOf(bare)).to.equal('invalid_request')
    const { request, back } = await returned(DPoP)
    expect(await refusalOf(party.finish(request, back))).to.be.oneOf([
      'invalid_grant',
      'invalid_request',
    ])
  })

  it('must push its redirect URI, and sign with an algorithm of the profile (5.3.2.2-6, 5.4.1)', async () => {
    const DPoP = await handle()
    const nowhere = party.push({ redirect_uri: '' }, { DPoP })
    expect(await refusalOf(nowhere)).to.equal('invalid_request')
    const object = {
      ...{ iss: 'bank', client_id: 'bank', aud: server.issuer, nbf: now(), exp: now() + 60 },
      ...{ redirect_uri: callback, response_type: 'code', scope: 'openid' },
      ...{ code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' },
    }
    for (const [alg, key] of [
      ['ES256', pair.privateKey],
      ['RS256', rsa.privateKey],
    ] as const) {
      const page = await post(server, '/par', undefined, {
        client_id: 'bank',
        client_assertion_type: type,
        client_assertion: await assert({}),
        request: await new SignJWT(object).setProtectedHeader({ alg }).sign(key),
      })
      if (alg === 'ES256') expect(page.status, page.body).to.equal(201)
      else expectRefusal(page, 400, 'invalid_request_object')
    }
  })

  it('gets a code that is bound to the key of its pushed request and can be used once (5.3.2.1-12, 5.3.2.2-9)', async () => {
    const DPoP = await handle()
    const other = await returned(DPoP)
    const stolen = party.finish(other.request, other.back, {}, { DPoP: await handle() })
    expect(await refusalOf(stolen)).to.equal('invalid_grant')
    const { request, back } = await returned(DPoP)
    expect((await party.finish(request, back, {}, { DPoP })).token_type).to.equal('dpop')
    expect(await refusalOf(party.finish(request, back, {}, { DPoP }))).to.equal('invalid_grant')
  })

  it('must redeem a code within a minute, whatever AUTHORIZATION_CODE_TTL says (5.3.2.1-11)', async () => {
    const DPoP = await handle()
    const { request, back } = await returned(DPoP)
    travel(80)
    expect(await refusalOf(party.finish(request, back, {}, { DPoP }))).to.equal('invalid_grant')
  })

  function assert(claims: Record<string, unknown>, alg = 'ES256', key = pair.privateKey) {
    const usual = { iss: 'bank', sub: 'bank', aud: server.issuer, jti: randomUUID() }
    return new SignJWT({ ...usual, iat: now(), exp: now() + 60, ...claims })
      .setProtectedHeader({ alg })
      .sign(key)
  }

  it('must use the issuer as the only audience, as a string, and an algorithm of the profile (P-052, 5.3.2.1-8, 5.4.1)', async () => {
    const push = async (client_assertion: string) =>
      post(server, '/par', undefined, {
        client_id: 'bank',
        client_assertion_type: type,
        client_assertion,
        response_type: 'code',
        redirect_uri: callback,
        scope: 'openid',
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
      })
    expect((await push(await assert({}))).status).to.equal(201)
    for (const made of [
      assert({ aud: [server.issuer] }),
      assert({ aud: `${server.issuer}/token` }),
      assert({ aud: `${server.issuer}/par` }),
      assert({}, 'RS256', rsa.privateKey),
    ]) {
      expectRefusal(await push(await made), 401, 'invalid_client')
    }
  })

  it('may send assertions from a clock up to ten seconds ahead (P-053, 5.3.2.1-13)', async () => {
    const ahead = (seconds: number) =>
      createRelyingParty({
        issuer: server.issuer,
        clientId: 'bank',
        redirectUri: callback,
        auth: PrivateKeyJwt(pair.privateKey, {
          [modifyAssertion]: (_header, payload) =>
            Object.assign(payload, {
              iat: now() + seconds,
              nbf: now() + seconds,
              exp: now() + 120,
            }),
        }),
      }).then(async (late) => refusalOf(late.push({})))
    expect(await ahead(8)).to.equal(undefined)
    expect(await ahead(75)).to.equal('invalid_client')
  })

  it('cannot be declared with what the profile forbids (5.3.2.1-3, -4, -6, 5.3.2.2-8, 5.4.1)', async () => {
    const refused = (members: Record<string, unknown>) =>
      server.core.clients.declare(defaultTenant, { ...bank, client_id: 'faulty', ...members }).then(
        () => 'accepted',
        (error: { detail: { faults: string[] } }) =>
          isDomainError(error, 'client_invalid') ? error.detail.faults.join() : 'failed',
      )
    const faults: [Record<string, unknown>, string][] = [
      [{ token_endpoint_auth_method: 'none' }, 'token_endpoint_auth_method'],
      [{ token_endpoint_auth_method: 'client_secret_basic' }, 'token_endpoint_auth_method'],
      [{ dpop_bound_access_tokens: false }, 'dpop_bound_access_tokens'],
      [{ id_token_signed_response_alg: 'RS256' }, 'id_token_signed_response_alg'],
      [{ token_endpoint_auth_signing_alg: 'RS256' }, 'token_endpoint_auth_signing_alg'],
      [{ application_type: 'web' }, 'redirect_uris: must be https'],
      [{ fapi: '1.0' }, 'fapi'],
    ]
    for (const [members, fault] of faults) expect(await refused(members)).to.contain(fault)
  })
})
