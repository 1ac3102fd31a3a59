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

describe('keys of a client at an address (jwks_uri)', () => {
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
  /** How a client is answered that signs so (RFC 7523). */
  async function by(
    client: string,
    { key, kid, alg = 'ES256' }: { key: CryptoKey | JWK; kid?: string; alg?: string },
  ): Promise<number> {
    const assertion = new SignJWT(claimsOf(client))
      .setProtectedHeader({ alg, ...(kid ? { kid } : {}) })
      .sign(key)
    return statusFor(await assertion)
  }

  it('count for as long as they are there, and for an hour while nobody answers (RFC 7517 §5)', async () => {
    const client_id = 'elsewhere'
    const one = { ...(await es256()), kid: 'one' }
    const two = { ...(await es256()), kid: 'two' }
    const jwks_uri = publish(client_id, { ...one.jwk, kid: 'one' })
    await declare(client_id, jwks_uri)
    expect(await by(client_id, one)).to.equal(200)
    expect(await by(client_id, one)).to.equal(200)
    // Asked for again for a name that is not known, and not at every one that somebody makes up.
    expect(await by(client_id, two)).to.equal(401)
    expect(host.asked.get('/elsewhere')).to.equal(1)
    publish(client_id, { ...two.jwk, kid: 'two' })
    travel(61)
    expect(await by(client_id, two)).to.equal(200)
    expect(await by(client_id, two)).to.equal(200)
    expect(host.asked.get('/elsewhere')).to.equal(2)
    expect(await by(client_id, one), 'withdrawn').to.equal(401)

    // However long they are said to be good.
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
    expect(await by(client_id, again), 'an hour after they were good').to.equal(503)
  })

  it('that cannot be fetched are nobody’s guess: 503 until they can, asked for once in five seconds', async () => {
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
    // Of one moment, in any order.
    const again = / reason: a moment ago: (.+)$/
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

  it('are known still when the client is declared anew', async () => {
    const client_id = 'declared-anew'
    const { key, jwk } = await es256()
    const jwks_uri = publish(client_id, jwk)
    await declare(client_id, jwks_uri)
    expect(await by(client_id, { key })).to.equal(200)
    await declare(client_id, jwks_uri, 'orders:write')
    expect(await by(client_id, { key })).to.equal(200)
    expect(host.asked.get('/declared-anew')).to.equal(1)
  })

  it('keep few waiting while their address is slow, and nobody who has some', async () => {
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
    await eventually('those past 32 refused', async () => refused === 8)
    release()
    const answers = await Promise.all(all)
    expect(answers.filter((status) => status === 200)).to.have.length(32)
    expect(host.asked.get('/slow')).to.equal(1)

    travel(61)
    const first = by(client_id, { key })
    await eventually('a question', async () => held.length === 1)
    expect(await by(client_id, { key })).to.equal(200)
    release()
    expect(await first).to.equal(200)
  })

  it('are asked for whatever strangers keep waiting, and those that are known count', async () => {
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
    // 32 of the first two; of the third whoever asks, and two more: within the five seconds in which they may answer.
    const waiting = strangers.flatMap((each, i) =>
      Array.from({ length: i < 2 ? 32 : 4 }, async () => {
        if ((await by(each, { key })) === 429) refused++
      }),
    )
    await eventually('as many wait as may', () => refused === 1)
    expect(await by('honest', { key }), 'its first').to.equal(200)
    await declare('new', publish('new', jwk))
    expect(await by('new', { key }), 'the first of one that is not known').to.equal(200)
    hold('patient')
    const first = by('patient', { key })
    await eventually('a question', () => held.length === 4)
    expect(await by('patient', { key })).to.equal(200)
    expect(await by('patient', wrong), 'without waiting').to.equal(401)
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

  it('are not tried without end, and cost little each', async () => {
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
    expect(await by(client_id, { key: own.key }), 'the sixth').to.equal(401)
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
