import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import {
  CompactEncrypt,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  SignJWT,
} from 'jose'
import type Provider from 'oidc-provider'
import { buildAuthorizationUrlWithJAR, modifyAssertion } from 'openid-client'
import type { IssuerContext } from '../../src/oidc/capabilities.ts'
import { logRefusals } from '../../src/oidc/refusals.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { errorOf, silentLog } from '../support/cores.ts'
import { alice, api, callback, furnish, spa, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  challengeOf,
  encode,
  expectErrorPage,
  expectRefusal,
  expectReturned,
  type Fields,
  post,
  redeem,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { unencoded } from '../support/unencoded-jwt.ts'
import { createUserAgent } from '../support/user-agent.ts'

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

interface Making {
  alg?: string
  key?: KeyPair['privateKey'] | Uint8Array
  header?: object
}

onAnyStorage('request objects', (kind) => {
  const server = booted(kind, {}, furnish)
  let pair: KeyPair
  const credentials = { username: alice.email, password: alice.password }
  const signer = { ...web, client_id: 'signer' }
  const strict = { ...web, client_id: 'strict' }
  const now = () => Math.floor(Date.now() / 1000)

  before(async () => {
    pair = await generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [await exportJWK(pair.publicKey)] }
    await server.core.clients.declare(defaultTenant, { ...signer, jwks })
    await server.core.clients.declare(defaultTenant, {
      ...strict,
      jwks,
      require_signed_request_object: true,
      request_object_signing_alg: 'ES256',
    })
    await server.core.clients.declare(defaultTenant, { ...spa, jwks })
  })

  /** A valid request object, changed by `claims`. */
  function made(
    claims: Record<string, unknown> = {},
    { alg = 'ES256', key = pair.privateKey, header = {} }: Making = {},
  ): Promise<string> {
    const usual = {
      iss: 'signer',
      client_id: 'signer',
      aud: server.issuer,
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      code_challenge: challengeOf(verifier),
      code_challenge_method: 'S256',
      state: 'the-state',
      exp: now() + 60,
    }
    return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg, ...header }).sign(key)
  }
  const open = (request: string, fields: Fields = {}) =>
    new URL(`${server.issuer}/authorize?${encode({ client_id: 'signer', request, ...fields })}`)
  const ask = async (request: string, fields: Fields = {}) =>
    createUserAgent().get(open(request, fields))
  /** Parameters beside the object, so that an error can be redirected. */
  const beside = { redirect_uri: callback, state: 'the-state', response_type: 'code' }

  async function encryptionKey(): Promise<JWK> {
    const { keys } = (await (await fetch(`${server.issuer}/jwks`)).json()) as JSONWebKeySet
    return keys.find(({ use }) => use === 'enc') as JWK
  }
  async function encrypted(request: string): Promise<string> {
    const jwk = await encryptionKey()
    return new CompactEncrypt(Buffer.from(request))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: jwk.kid as string, cty: 'JWT' })
      .encrypt(await importJWK(jwk, 'ECDH-ES'))
  }

  it('work with openid-client, by value and pushed (P-023, K-40)', async () => {
    for (const client of [signer, strict, spa]) {
      const party = await createRelyingParty({
        issuer: server.issuer,
        clientId: client.client_id,
        redirectUri: callback,
        ...('client_secret' in client ? { clientSecret: String(client.client_secret) } : {}),
      })
      const plain = await party.authorize({ scope: 'openid email' })
      const parameters = Object.fromEntries(plain.url.searchParams)
      const url = await buildAuthorizationUrlWithJAR(party.config, parameters, pair.privateKey)
      expect([...url.searchParams.keys()]).to.have.members(['client_id', 'request'])
      const tokens = await party.finish(plain, await createUserAgent().walk(url, credentials))
      expect(tokens.scope).to.equal('openid email')

      const request = url.searchParams.get('request') ?? ''
      const page = await post(server, '/par', client, { client_id: client.client_id, request })
      expect(page.status, page.body).to.equal(201)
      const { request_uri } = page.json() as { request_uri: string }
      const returned = await createUserAgent().walk(
        `${server.issuer}/authorize?${encode({ client_id: client.client_id, request_uri })}`,
        credentials,
      )
      expect(returned.searchParams.has('code')).to.equal(true)
    }
  })

  it('may be encrypted to the key that the server publishes (RFC 9101 §6.1)', async () => {
    const returned = await createUserAgent().walk(open(await encrypted(await made())), credentials)
    tokensIn(await redeem(server, signer, returned.searchParams.get('code') ?? ''))

    const stranger = await generateKeyPair('ECDH-ES', { extractable: true })
    const unreadable = await new CompactEncrypt(Buffer.from(await made()))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
      .encrypt(stranger.publicKey)
    expectReturned(await ask(unreadable, beside), 'invalid_request_object')
    // Encryption does not authenticate the sender.
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
    const [, payload] = (await made()).split('.')
    const anonymous = await encrypted(`${unsigned}.${payload}.`)
    expectReturned(await ask(anonymous, beside), 'invalid_request_object')
    const jwk = await encryptionKey()
    expect(jwk).to.include({ alg: 'ECDH-ES', kty: 'EC', crv: 'P-256' }).and.not.have.property('d')
    createLocalJWKSet({ keys: [jwk] })
  })

  it('are refused for each fault (P-023, ASVS 9.1.1, 9.2.1, 10.4.13)', async () => {
    const stranger = (await generateKeyPair('ES256')).privateKey
    const publicKey = Buffer.from(JSON.stringify(await exportJWK(pair.publicKey)))
    const wrong: Record<string, Promise<string>> = {
      'an unknown key': made({}, { key: stranger }),
      'HMAC with the public key': made({}, { alg: 'HS256', key: publicKey }),
      'no iss': made({ iss: undefined }),
      'iss of another client': made({ iss: 'web' }),
      'no aud': made({ aud: undefined }),
      'aud of another server': made({ aud: 'https://other.example' }),
      'no exp': made({ exp: undefined }),
      expired: made({ exp: now() - 61 }),
      'exp in two hours': made({ exp: now() + 7200 }),
      'nbf 61 seconds ahead': made({ nbf: now() + 61 }),
      'iat 70 seconds ahead': made({ iat: now() + 70 }),
      'a payload that is not encoded (RFC 7797 §7)': unencoded(await made(), pair.privateKey),
      'a client assertion': made({ sub: 'signer' }),
      'another kind of JWT': made({}, { header: { typ: 'dpop+jwt' } }),
      'client_id of another client': made({ client_id: 'web' }),
      'U+0000 in a text': made({ nonce: 'a\u0000b' }),
      'an unpaired surrogate in a name': made({ claims: { id_token: { '\ud800': null } } }),
      'a request inside': made({ request: 'x' }),
      'a request_uri inside': made({ request_uri: 'https://evil.example/' }),
      'a resource in two lists': made({ resource: [[api]] }),
    }
    for (const [what, object] of Object.entries(wrong)) {
      const page = await ask(await object, beside)
      expect(page.location?.searchParams.get('error'), what).to.equal('invalid_request_object')
    }
    const [head = '', payload = '', signature = ''] = (await made()).split('.')
    for (const alg of ['none', 'None', 'NONE']) {
      const unsigned = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      for (const end of ['', signature]) {
        const page = await ask(`${unsigned}.${payload}.${end}`, beside)
        expectReturned(page, 'invalid_request_object')
      }
    }
    for (const broken of ['x', 'a.b.c', `${head}.${payload}`, `${head}.${payload}.AAAA`]) {
      expectReturned(await ask(broken, beside), 'invalid_request_object')
      const form = { client_id: 'signer', request: broken }
      expectRefusal(await post(server, '/par', signer, form), 400, 'invalid_request_object')
    }
    // Nested too deeply, or an object instead of a string: a fault of the request, whoever signed it.
    const deep = `${'['.repeat(8000)}${']'.repeat(8000)}`
    const usual = { iss: 'spa', client_id: 'spa', aud: server.issuer, exp: now() + 60 }
    const textless = '"nonce":{"toString":1,"valueOf":1}'
    for (const members of [`"x":${deep}`, `"claims":{"userinfo":${deep}}`, textless]) {
      const text = JSON.stringify(usual).replace('{', `{${members},`)
      const request = `${head}.${Buffer.from(text).toString('base64url')}.AAAA`
      const form = { client_id: 'spa', request }
      expectRefusal(await post(server, '/par', spa, form), 400, 'invalid_request')
    }
    // The same fault in stored data is one of the server.
    const provider = new EventEmitter()
    const faults: Error[] = []
    logRefusals(
      provider as Provider,
      { log: silentLog } as IssuerContext,
      () => 'id',
      (_ctx, error) => void faults.push(error),
    )
    const error = await errorOf(Promise.resolve().then(() => structuredClone(JSON.parse(deep))))
    for (const params of [{ request: 'x' }, {}]) {
      provider.emit('server_error', { oidc: { params }, get: () => '' }, error)
    }
    expect(faults.map(({ name }) => name)).to.deep.equal(['DomainError', 'RangeError'])
    const evil = { redirect_uri: 'https://evil.example/', state: 'x' }
    expectErrorPage(await ask('a.b.c', evil))
    expectErrorPage(await ask(await made(evil)))
    expectErrorPage(await ask(await made(evil), beside))
  })

  it('replace the parameters beside them (P-023)', async () => {
    const fields = { scope: 'openid email', nonce: 'beside', redirect_uri: callback, state: 'x' }
    const returned = await createUserAgent().walk(open(await made(), fields), credentials)
    expect(returned.searchParams.get('state')).to.equal('the-state')
    const code = returned.searchParams.get('code') ?? ''
    expect(tokensIn(await redeem(server, signer, code)).scope).to.equal('openid')
    // This includes PKCE: a challenge beside the object does not count.
    const without = await made({ code_challenge: undefined, code_challenge_method: undefined })
    const pkce = { code_challenge: challengeOf(verifier), code_challenge_method: 'S256' }
    expectReturned(await ask(without, pkce), 'invalid_request')
  })

  it('may be required of a client, with one algorithm', async () => {
    expectReturned(await createUserAgent().get(authorizeUrl(server, strict)), 'invalid_request')
    const plain = { client_id: 'strict', redirect_uri: callback, response_type: 'code' }
    expectRefusal(await post(server, '/par', strict, plain), 400, 'invalid_request')
    const rsa = await generateKeyPair('PS256', { extractable: true })
    const names = { iss: 'strict', client_id: 'strict' }
    const other = await made(names, { alg: 'PS256', key: rsa.privateKey })
    const fields = { ...beside, client_id: 'strict' }
    expectReturned(await ask(other, fields), 'invalid_request_object')
  })

  it('use the default scope if they have none (K-01)', async () => {
    const returned = await createUserAgent().walk(
      open(await made({ scope: undefined })),
      credentials,
    )
    const code = returned.searchParams.get('code') ?? ''
    expect(tokensIn(await redeem(server, signer, code)).scope).to.equal('openid')
  })

  it('by reference are refused and never fetched (P-024, P-022)', async () => {
    for (const request_uri of ['https://evil.example/', server.issuer, 'urn:x', 'x']) {
      const page = await createUserAgent().get(authorizeUrl(server, signer, { request_uri }))
      expectReturned(page, 'request_uri_not_supported')
    }
    const both = { request: await made(), request_uri: 'urn:ietf:params:oauth:request_uri:x' }
    const page = await createUserAgent().get(authorizeUrl(server, signer, both))
    expectReturned(page, 'invalid_request')
  })

  it('may have the typ of RFC 9101', async () => {
    const party = await createRelyingParty({
      issuer: server.issuer,
      clientId: 'signer',
      clientSecret: web.client_secret,
      redirectUri: callback,
    })
    const { url } = await party.authorize()
    const typed = await buildAuthorizationUrlWithJAR(
      party.config,
      url.searchParams,
      pair.privateKey,
      { [modifyAssertion]: (header) => Object.assign(header, { typ: 'oauth-authz-req+jwt' }) },
    )
    expect((await createUserAgent().get(typed)).location?.pathname).to.match(/^\/interaction\//)
  })
})
