import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { ClientSecretJwt, PrivateKeyJwt } from 'openid-client'
import { isDomainError } from '../../src/errors.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, callback, furnish, machine, web } from '../support/fixtures.ts'
import { expectRefusal, type Fields, post } from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { unencoded } from '../support/unencoded-jwt.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const secret = 'a secret that is long enough for HMAC with SHA-256'

/** Every point of small order, also as the other text that stands for it (RFC 7748 §5, RFC 8032 §5.1.3). */
const ofSmallOrder = [
  ...['00', '01'].map((first) => first.padEnd(64, '0')),
  ...['ec', 'ed', 'ee'].map((first) => `${first}${'ff'.repeat(30)}7f`),
].flatMap((octets) => [
  octetPoint('X25519', octets),
  octetPoint('Ed25519', octets),
  octetPoint('X25519', `${octets.slice(0, 62)}${octets.endsWith('7f') ? 'ff' : '80'}`),
])
ofSmallOrder.push(
  octetPoint('X25519', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'),
  octetPoint('X25519', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'),
  octetPoint('Ed25519', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  octetPoint('Ed25519', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'),
)

function octetPoint(crv: string, octets: string) {
  return { kty: 'OKP', crv, x: Buffer.from(octets, 'hex').toString('base64url') }
}

type CryptoKeyPair = Awaited<ReturnType<typeof generateKeyPair>>

interface Signing {
  alg?: string
  key?: CryptoKeyPair['privateKey'] | Uint8Array
  header?: object
  /** Extensions that the signing library accepts in `crit`. */
  knows?: Record<string, boolean>
}

onAnyStorage('client assertions', (kind) => {
  const server = booted(kind, {}, furnish)
  const keys = new Map<string, CryptoKeyPair>()
  const signer = { ...web, client_id: 'signer', token_endpoint_auth_method: 'private_key_jwt' }
  const service = {
    client_id: 'service',
    grant_types: ['client_credentials'],
    scope: 'orders:read',
    token_endpoint_auth_method: 'private_key_jwt',
  }
  const hmac = { ...machine, client_id: 'hmac', client_secret: secret }

  before(async () => {
    for (const alg of ['ES256', 'PS256', 'EdDSA']) {
      keys.set(alg, await generateKeyPair(alg, { extractable: true }))
    }
    const jwks = {
      keys: await Promise.all(
        [...keys].map(async ([alg, { publicKey }]) => ({
          ...(await exportJWK(publicKey)),
          kid: alg,
          use: 'sig',
        })),
      ),
    }
    remember(secret)
    await declare({ ...signer, client_secret: undefined, jwks })
    await declare({ ...service, jwks })
    await declare({ ...hmac, token_endpoint_auth_method: 'client_secret_jwt' })
  })
  afterEach(backToPresent)

  const declare = ({ client_secret, ...client }: Record<string, unknown>) =>
    server.core.clients.declare(defaultTenant, {
      ...client,
      ...(client_secret === undefined ? {} : { client_secret }),
    })
  const now = () => Math.floor(Date.now() / 1000)

  /** A valid assertion of `service`, changed by `claims`. */
  function assertion(
    claims: Record<string, unknown> = {},
    { alg = 'ES256', key, header = {}, knows = {} }: Signing = {},
  ): Promise<string> {
    const { client_id } = service
    const usual = { iss: client_id, sub: client_id, aud: server.issuer, jti: randomUUID() }
    return new SignJWT({ ...usual, iat: now(), exp: now() + 60, ...claims })
      .setProtectedHeader({ alg, ...header })
      .sign(key ?? (keys.get(alg) as CryptoKeyPair).privateKey, { crit: knows })
  }
  const present = (client_assertion: string | string[], fields: Fields = {}, path = '/token') =>
    post(server, path, undefined, {
      grant_type: 'client_credentials',
      client_assertion_type: type,
      client_assertion,
      ...fields,
    })

  it('by private_key_jwt work in a whole flow of openid-client (K-40)', async () => {
    for (const [alg, { privateKey }] of keys) {
      const party = await createRelyingParty({
        issuer: server.issuer,
        clientId: signer.client_id,
        redirectUri: callback,
        auth: PrivateKeyJwt({ key: privateKey, kid: alg }),
      })
      const request = await party.authorize()
      const returned = await createUserAgent().walk(request.url, {
        username: alice.email,
        password: alice.password,
      })
      const tokens = await party.finish(request, returned)
      const next = await party.refresh(tokens.refresh_token as string)
      expect((await party.introspect(next.access_token)).active).to.equal(true)
      await party.revoke(next.refresh_token as string)
      expect((await party.introspect(next.access_token)).active).to.equal(false)
    }
  })

  it('by client_secret_jwt work with a sealed secret, also during rotation (architecture §5)', async () => {
    const withSecret = async (clientSecret: string) => {
      const party = await createRelyingParty({
        issuer: server.issuer,
        clientId: hmac.client_id,
        redirectUri: callback,
        auth: ClientSecretJwt(clientSecret),
      })
      return party.clientCredentials().then(
        ({ token_type }) => token_type,
        (error: { error?: string }) => error.error,
      )
    }
    expect(await withSecret(secret)).to.equal('bearer')
    expect(await withSecret(`${secret}!`)).to.equal('invalid_client')
    const next = await server.core.clients.rotateSecret(defaultTenant, hmac.client_id, 3600)
    remember(next)
    expect(await withSecret(secret)).to.equal('bearer')
    expect(await withSecret(next)).to.equal('bearer')
    travel(3601)
    expect(await withSecret(secret)).to.equal('invalid_client')
    expect(await withSecret(next)).to.equal('bearer')
  })

  it('require a readable secret: a client that changes to client_secret_jwt gets a new one', async () => {
    const client = { ...machine, client_id: 'changes' }
    const sealed = async () =>
      (await server.core.clients.find(defaultTenant, 'changes'))?.secrets.filter((s) => s.sealed)
    await declare(client)
    expect(await sealed()).to.deep.equal([])
    const jwt = {
      ...client,
      client_secret: undefined,
      token_endpoint_auth_method: 'client_secret_jwt',
    }
    const { clientSecret } = await declare(jwt)
    expect(clientSecret).to.match(/^[\w-]{43}$/)
    expect(await sealed()).to.have.length(1)
    expect((await declare(jwt)).outcome).to.equal('unchanged')
    expect((await declare({ ...client, client_secret: undefined })).outcome).to.equal('updated')
    expect(await sealed()).to.deep.equal([])
  })

  it('are refused for each invalid claim (P-052, P-053, ASVS 9.2.1, 10.4.16)', async () => {
    const { issuer } = server
    const stranger = (await generateKeyPair('ES256')).privateKey
    const { publicKey, privateKey } = keys.get('ES256') as CryptoKeyPair
    const wrong: Record<string, Promise<string>> = {
      'no aud': assertion({ aud: undefined }),
      'aud of another server': assertion({ aud: 'https://other.example' }),
      'aud of the token endpoint': assertion({ aud: `${issuer}/token` }),
      'aud with a slash': assertion({ aud: `${issuer}/` }),
      'aud for this server and another': assertion({ aud: [issuer, 'https://other.example'] }),
      'aud for another server and this': assertion({ aud: ['https://other.example', issuer] }),
      'aud twice': assertion({ aud: [issuer, issuer] }),
      'no aud in a list': assertion({ aud: [] }),
      'no exp': assertion({ exp: undefined }),
      expired: assertion({ exp: now() - 61 }),
      'exp in two hours': assertion({ exp: now() + 7200 }),
      'exp as text': assertion({ exp: String(now() + 60) }),
      'no jti': assertion({ jti: undefined }),
      'jti as a number': assertion({ jti: 4711 }),
      'no iss': assertion({ iss: undefined }),
      'iss of another client': assertion({ iss: machine.client_id }),
      'sub of another client': assertion({ sub: signer.client_id }),
      'no sub': assertion({ sub: undefined }),
      'iat 61 seconds ahead': assertion({ iat: now() + 61 + 5 }),
      'nbf 61 seconds ahead': assertion({ nbf: now() + 61 }),
      'an unknown key': assertion({}, { key: stranger }),
      'HMAC with the public key': assertion(
        {},
        { alg: 'HS256', key: Buffer.from(JSON.stringify(await exportJWK(publicKey))) },
      ),
      'a payload that is not encoded (RFC 7797 §7)': unencoded(await assertion(), privateKey),
      'an unknown critical extension': assertion(
        {},
        { header: { crit: ['x'], x: 1 }, knows: { x: true } },
      ),
      'another kid': assertion({}, { header: { kid: 'PS256' } }),
    }
    for (const [what, made] of Object.entries(wrong)) {
      const page = await present(await made)
      expect(page.status, what).to.be.oneOf([400, 401])
      expect((page.json() as { error: string }).error, what).to.be.oneOf([
        'invalid_client',
        'invalid_request',
      ])
    }
    const [head = '', payload = ''] = (await assertion()).split('.')
    for (const alg of ['none', 'None', '']) {
      const unsigned = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      expectRefusal(await present(`${unsigned}.${payload}.`), 401, 'invalid_client')
    }
    for (const broken of ['x', 'a.b.c', `${head}.${payload}`, `${head}.${payload}.AAAA`]) {
      expect((await present(broken)).status, broken).to.be.oneOf([400, 401])
    }
  })

  it('are accepted with a small clock skew, and with a list of one audience (P-053)', async () => {
    const { issuer } = server
    const encoded = await assertion({}, { header: { crit: ['b64'], b64: true } })
    expect((await present(encoded)).status).to.equal(200)
    const right = [{}, { aud: [issuer] }, { iat: now() + 8, nbf: now() + 8 }, { exp: now() - 8 }]
    for (const claims of [...right, { iat: undefined }, { exp: now() + 3600 }]) {
      const page = await present(await assertion(claims))
      expect(page.status, `${JSON.stringify(claims)} ${page.body}`).to.equal(200)
    }
  })

  it('are accepted once, also among 20 concurrent requests, across endpoints (P-052, C26)', async () => {
    const one = await assertion()
    const answers = await Promise.all(Array.from({ length: 20 }, () => present(one)))
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
    for (const page of answers.filter(({ status }) => status !== 200)) {
      expectRefusal(page, 401, 'invalid_client')
    }
    expectRefusal(await present(one, { token: 'x' }, '/introspect'), 401, 'invalid_client')

    const refused = await assertion()
    expectRefusal(await present(refused, { scope: 'orders:write' }), 400, 'invalid_scope')
    expectRefusal(await present(refused), 401, 'invalid_client')
    travel(50)
    expectRefusal(await present(one), 401, 'invalid_client')
  })

  it('may have any text as jti', async () => {
    for (const jti of ['x'.repeat(8000), 'a\0b', '😀', "' or 1=1"]) {
      const one = await assertion({ jti })
      expect((await present(one)).status).to.equal(200)
      expectRefusal(await present(one), 401, 'invalid_client')
    }
  })

  it('accept the token endpoint as audience only for clients registered so', async () => {
    const { publicKey } = keys.get('ES256') as CryptoKeyPair
    const jwks = { keys: [await exportJWK(publicKey)] }
    const old = { ...service, client_id: 'old', client_assertion_audience: 'token_endpoint', jwks }
    await declare(old)
    const names = { iss: 'old', sub: 'old' }
    const aud = `${server.issuer}/token`
    expect((await present(await assertion({ ...names, aud }))).status).to.equal(200)
    expect((await present(await assertion(names))).status).to.equal(200)
    const other = await assertion({ ...names, aud: 'https://other.example/token' })
    expectRefusal(await present(other), 401, 'invalid_client')
  })

  it('are accepted only from clients registered for them, and with no other credentials (P-043)', async () => {
    const secretClient = { iss: machine.client_id, sub: machine.client_id }
    const key = Buffer.from(machine.client_secret)
    const made = await assertion(secretClient, { alg: 'HS256', key })
    expectRefusal(await present(made), 401, 'invalid_client')
    const posted = await post(
      server,
      '/token',
      { ...service, client_secret: 'x'.repeat(20) },
      {
        grant_type: 'client_credentials',
      },
    )
    expectRefusal(posted, 401, 'invalid_client')
    const both = { client_id: service.client_id, client_secret: 'x'.repeat(20) }
    expectRefusal(await present(await assertion(), both), 400, 'invalid_request')
    expectRefusal(await present([await assertion(), await assertion()]), 400, 'invalid_request')
    const other = { client_id: machine.client_id }
    expectRefusal(await present(await assertion(), other), 400, 'invalid_request')
    expectRefusal(
      await present(await assertion(), { client_assertion_type: 'jwt' }),
      400,
      'invalid_request',
    )
  })

  it('are accepted only with the registered algorithm, if there is one', async () => {
    const { publicKey } = keys.get('PS256') as CryptoKeyPair
    const jwks = { keys: [await exportJWK(publicKey)] }
    const strict = { ...service, client_id: 'strict', jwks }
    await declare({ ...strict, token_endpoint_auth_signing_alg: 'PS256' })
    const names = { iss: 'strict', sub: 'strict' }
    expect((await present(await assertion(names, { alg: 'PS256' }))).status).to.equal(200)
    const rsa = await assertion(names, { alg: 'ES256' })
    expectRefusal(await present(rsa), 401, 'invalid_client')
  })

  it('require public keys of sufficient strength, and a secret of sufficient length', async () => {
    const refused = async (client: Record<string, unknown>) =>
      declare(client).then(
        () => 'accepted',
        (error: { detail: { faults: string[] } }) =>
          isDomainError(error, 'client_invalid') ? error.detail.faults.join() : 'failed',
      )
    const { privateKey, publicKey } = keys.get('ES256') as CryptoKeyPair
    const point = await exportJWK(publicKey)
    const octets = (length: number, of = 0xff) => Buffer.alloc(length, of).toString('base64url')
    const weak = { kty: 'RSA', e: 'AQAB', n: octets(128) }
    const client = { ...service, client_id: 'faulty' }
    expect(await refused(client)).to.contain('jwks')
    const keySets: [unknown, string][] = [
      [await exportJWK(privateKey), 'must be a public key'],
      [{ kty: 'oct', k: 'AAAA' }, 'must be a public key'],
      [{ kty: 'oct' }, 'must not be a symmetric key'],
      [weak, 'at least 2048 bits, it has 1024'],
      [{ ...weak, n: octets(1025) }, 'at most 8192 bits, it has 8200'],
      [{ ...weak, n: octets(256), e: octets(5) }, 'at most 32 bits, it has 40'],
      // Keys that would be stored and then fail when they verify signatures or encrypt responses.
      [{ ...weak, n: octets(256, 0) }, 'at least 2048 bits, it has 0'],
      [{ ...weak, n: octets(256), e: undefined }, 'must be a valid RSA key'],
      ...['', 'AA', 'AQ', 'AAE', 'Ag', 'AQAC'].map((e): [unknown, string] => [
        { ...weak, n: octets(256), e },
        'must have an odd exponent of at least 3',
      ]),
      [{ ...point, y: point.x }, 'must be a point on its curve'],
      ...ofSmallOrder.map((key): [unknown, string] => [key, 'must not be a point of small order']),
      [{ ...point, kid: ['k'] }, 'must have a string as "kid"'],
      [{ ...point, key_ops: 'verify' }, 'an array of distinct strings as "key_ops"'],
      [{ ...point, key_ops: ['verify', 'verify'] }, 'an array of distinct strings as "key_ops"'],
    ]
    for (const [key, fault] of keySets) {
      expect(await refused({ ...client, jwks: { keys: [key] } })).to.contain(fault)
    }
    expect(
      await refused({
        ...hmac,
        client_secret: 'x'.repeat(31),
        token_endpoint_auth_method: 'client_secret_jwt',
      }),
    ).to.contain('client_secret: must be at least 32 characters')
    expect(await refused({ ...signer, client_secret: secret })).to.contain(
      'client_secret: must be absent',
    )
  })

  it('are advertised with their algorithms, without none', async () => {
    const metadata = (await (
      await fetch(`${server.issuer}/.well-known/openid-configuration`)
    ).json()) as Record<string, string[]>
    const algs = metadata['token_endpoint_auth_signing_alg_values_supported']
    expect(algs).to.have.members(['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519', 'HS256'])
  })
})
