import { createHash, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { furnish } from '../support/fixtures.ts'
import { post } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

describe('client keys at a jwks_uri', () => {
  let server: TestServer
  let host: DocumentHost
  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    host = await startDocumentHost()
    await furnish(server)
  })
  afterEach(backToPresent)
  after(() => {
    host?.stop()
    return server?.stop()
  })

  const es256 = async () => {
    const { publicKey, privateKey: key } = await generateKeyPair('ES256', { extractable: true })
    return { key, jwk: await exportJWK(publicKey) }
  }
  const publish = (client: string, ...published: object[]) =>
    host.answer(`/${client}`, (response) => {
      response.writeHead(200, { 'cache-control': 'max-age=31536000' })
      response.end(JSON.stringify({ keys: published }))
    })
  const fail = (client: string) =>
    host.answer(`/${client}`, (response) => void response.writeHead(500).end('{}'))
  const declare = (client_id: string, jwks_uri: string, scope = 'orders:read') =>
    server.core.clients.declare(defaultTenant, {
      client_id,
      jwks_uri,
      grant_types: ['client_credentials'],
      scope,
      token_endpoint_auth_method: 'private_key_jwt',
    })

  function claimsOf(client: string) {
    const iat = Math.floor(Date.now() / 1000)
    return { iss: client, sub: client, aud: server.issuer, jti: randomUUID(), iat, exp: iat + 60 }
  }
  async function statusFor(client_assertion: string): Promise<number> {
    const fields = { grant_type: 'client_credentials', client_assertion_type: type }
    return (await post(server, '/token', undefined, { ...fields, client_assertion })).status
  }
  /** The status of a token request with an assertion signed by `key` (RFC 7523). */
  async function by(
    client: string,
    { key, kid, alg = 'ES256' }: { key: CryptoKey | JWK; kid?: string; alg?: string },
  ): Promise<number> {
    const assertion = new SignJWT(claimsOf(client))
      .setProtectedHeader({ alg, ...(kid ? { kid } : {}) })
      .sign(key)
    return statusFor(await assertion)
  }

  it('are used while published, and for an hour while the host fails (RFC 7517 §5)', async () => {
    const client_id = 'elsewhere'
    const one = { ...(await es256()), kid: 'one' }
    const two = { ...(await es256()), kid: 'two' }
    const jwks_uri = publish(client_id, { ...one.jwk, kid: 'one' })
    await declare(client_id, jwks_uri)
    expect(await by(client_id, one)).to.equal(200)
    expect(await by(client_id, one)).to.equal(200)
    // An unknown kid triggers a fetch, at most once a minute.
    expect(await by(client_id, two)).to.equal(401)
    expect(host.asked.get('/elsewhere')).to.equal(1)
    publish(client_id, { ...two.jwk, kid: 'two' })
    travel(61)
    expect(await by(client_id, two)).to.equal(200)
    expect(await by(client_id, two)).to.equal(200)
    expect(host.asked.get('/elsewhere')).to.equal(2)
    expect(await by(client_id, one), 'withdrawn').to.equal(401)

    // Keys are cached for an hour at most, whatever max-age says.
    publish(client_id, { ...one.jwk, kid: 'two' })
    travel(3601)
    expect(await by(client_id, two), 'withdrawn').to.equal(401)
    const again = { ...one, kid: 'two' }
    expect(await by(client_id, again)).to.equal(200)
    fail(client_id)
    for (const later of [3601, 3590]) {
      travel(later)
      expect(await by(client_id, again)).to.equal(200)
    }
    travel(15)
    expect(await by(client_id, again), 'an hour after the keys expired').to.equal(503)
  })

  it('that cannot be fetched cause 503, with one fetch in five seconds', async () => {
    travel(0)
    const client_id = 'away'
    const { key, jwk } = await es256()
    await declare(client_id, fail(client_id))
    for (let i = 0; i < 30; i++) expect(await by(client_id, { key })).to.equal(503)
    expect(host.asked.get('/away')).to.equal(1)
    const found = await server.core.refusals.list(
      { check: 'client_keys_unavailable' },
      { limit: 100 },
    )
    // All have the same time, so their order is undefined.
    const again = / reason: the last attempt, a moment ago, failed: (.+)$/
    const own = `client_id: ${client_id},`
    const reasons = found.flatMap(({ reason = '' }) => (reason.includes(own) ? reason : []))
    const firsts = reasons.filter((reason) => !again.test(reason))
    expect(firsts).to.have.length(1)
    const [, why = 'none'] = / reason: (.+)$/.exec(firsts[0] ?? '') ?? []
    const later = reasons.flatMap((reason) => again.exec(reason)?.[1] ?? [])
    expect(later).to.have.length(reasons.length - 1).and.not.empty
    for (const reason of later) expect(reason).to.equal(why)
    publish(client_id, jwk)
    travel(6)
    expect(await by(client_id, { key })).to.equal(200)
    expect(host.asked.get('/away')).to.equal(2)
  })

  it('stay cached when the client is declared again', async () => {
    const client_id = 'declared-anew'
    const { key, jwk } = await es256()
    const jwks_uri = publish(client_id, jwk)
    await declare(client_id, jwks_uri)
    expect(await by(client_id, { key })).to.equal(200)
    await declare(client_id, jwks_uri, 'orders:write')
    expect(await by(client_id, { key })).to.equal(200)
    expect(host.asked.get('/declared-anew')).to.equal(1)
  })

  it('hold at most 32 requests while their host is slow, and none once a key is cached', async () => {
    const client_id = 'slow'
    const { key, jwk } = await es256()
    let held: ServerResponse[] = []
    const hold = () => host.answer('/slow', (response) => void held.push(response))
    const release = () => {
      for (const response of held) response.end(JSON.stringify({ keys: [jwk] }))
      held = []
    }
    await declare(client_id, hold())
    let refused = 0
    const all = Array.from({ length: 40 }, async () => {
      const status = await by(client_id, { key })
      if (status === 429) refused++
      return status
    })
    await eventually('the requests beyond 32 are refused', async () => refused === 8)
    release()
    const answers = await Promise.all(all)
    expect(answers.filter((status) => status === 200)).to.have.length(32)
    expect(host.asked.get('/slow')).to.equal(1)

    travel(61)
    const first = by(client_id, { key })
    await eventually('the keys are fetched', async () => held.length === 1)
    expect(await by(client_id, { key })).to.equal(200)
    release()
    expect(await first).to.equal(200)
  })

  it('are fetched despite slow hosts of other clients, and cached keys are used meanwhile', async () => {
    const { key, jwk } = await es256()
    const wrong = await es256()
    const held: ServerResponse[] = []
    const hold = (client: string) =>
      host.answer(`/${client}`, (response) => void held.push(response))
    for (const known of ['honest', 'patient']) {
      await declare(known, publish(known, jwk))
      expect(await by(known, { key })).to.equal(200)
    }
    const strangers = ['one', 'two', 'three'].map((each) => `stranger-${each}`)
    for (const each of strangers) await declare(each, hold(each))
    travel(3601)
    let refused = 0
    // At most 32 requests wait per client, and 64 in all besides the fetching ones: 32 + 32 + 3 wait, one is refused.
    // The hosts must answer within five seconds.
    const waiting = strangers.flatMap((each, i) =>
      Array.from({ length: i < 2 ? 32 : 4 }, async () => {
        if ((await by(each, { key })) === 429) refused++
      }),
    )
    await eventually('the limit is reached', () => refused === 1)
    expect(await by('honest', { key }), 'first after an hour').to.equal(200)
    await declare('new', publish('new', jwk))
    expect(await by('new', { key }), 'first of a new client').to.equal(200)
    hold('patient')
    const first = by('patient', { key })
    await eventually('the keys are fetched', () => held.length === 4)
    expect(await by('patient', { key })).to.equal(200)
    expect(await by('patient', wrong), 'answered without a fetch').to.equal(401)
    for (const response of held) response.end(JSON.stringify({ keys: [jwk] }))
    expect(await first).to.equal(200)
    await Promise.all(waiting)
  })

  it('are not used if their exponent is 1: the signature is the padded hash (RFC 8017 §9.2)', async () => {
    const client_id = 'unraised'
    const { publicKey } = await generateKeyPair('RS256')
    const { key, jwk } = await es256()
    await declare(client_id, publish(client_id, { ...(await exportJWK(publicKey)), e: 'AQ' }, jwk))
    expect(await by(client_id, { key })).to.equal(200)
    const parts = [{ alg: 'RS256' }, claimsOf(client_id)].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    )
    const hash = createHash('sha256').update(parts.join('.')).digest('hex')
    const digest = `3031300d060960864801650304020105000420${hash}`
    const signature = `0001${'ff'.repeat(256 - 3 - digest.length / 2)}00${digest}`
    parts.push(Buffer.from(signature, 'hex').toString('base64url'))
    expect(await statusFor(parts.join('.'))).to.equal(401)
  })

  it('are limited in number and in cost for each signature', async () => {
    const client_id = 'many'
    const own = { ...(await es256()), kid: 'own' }
    const others = await Promise.all(Array.from({ length: 5 }, es256))
    const { privateKey } = await generateKeyPair('PS256', { extractable: true })
    const slow = raisedTo(4_294_967_311n, await exportJWK(privateKey))
    const { kty, n, e } = slow
    const published = [...others.map(({ jwk }) => jwk), { ...own.jwk, kid: 'own' }]
    const jwks_uri = publish(client_id, { kty, n, e, kid: 'slow' }, ...published)
    await declare(client_id, jwks_uri)
    expect(await by(client_id, { key: slow, alg: 'PS256', kid: 'slow' })).to.equal(401)
    expect(await by(client_id, own)).to.equal(200)
    expect(await by(client_id, { key: own.key }), 'the sixth key').to.equal(401)
  })
})

/** An RSA key with another public exponent (RFC 8017 §3.2). */
function raisedTo(exponent: bigint, key: JWK): JWK {
  const number = (octets = '') => BigInt(`0x${Buffer.from(octets, 'base64url').toString('hex')}`)
  const text = (value: bigint) => {
    const hex = value.toString(16)
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString(
      'base64url',
    )
  }
  const [p, q] = [number(key.p) - 1n, number(key.q) - 1n]
  const d = inverse(exponent, p * q)
  return { ...key, e: text(exponent), d: text(d), dp: text(d % p), dq: text(d % q) }
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, next] = [modulus, value]
  let [found, step] = [0n, 1n]
  while (next > 0n) {
    const times = rest / next
    ;[rest, next] = [next, rest - times * next]
    ;[found, step] = [step, found - times * step]
  }
  return ((found % modulus) + modulus) % modulus
}
