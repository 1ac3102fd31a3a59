import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect } from 'chai'
import { SignJWT } from 'jose'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { furnish } from '../support/fixtures.ts'
import { expectError, informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const trusted = 'https://store.example.com'

function keyPair(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { key: privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' } }
}

describe('software statements (RFC 7591 §2.3)', () => {
  after(backToPresent)
  const server = booted(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' }, furnish)
  const { send, register, declare } = registrar(() => server)
  const own = keyPair('one')
  const jwks = { keys: [own.jwk] } as { keys: Array<{ kty: string }> }
  const issuers = [{ issuer: trusted, jwks }]

  beforeEach(() => declare({ mode: 'open', software_statements: { issuers } }))

  function sign(
    claims: object,
    {
      key = own.key,
      alg = 'ES256',
      kid = 'one',
    }: { key?: KeyObject; alg?: string; kid?: string } = {},
  ): Promise<string> {
    const jwt = new SignJWT({ iss: trusted, software_id: 'x', ...claims })
    return jwt.setProtectedHeader({ alg, kid }).sign(key)
  }

  it('take precedence over the client’s own metadata, and are returned unchanged (§3.1.1, §3.2.1)', async () => {
    const software_statement = await sign({
      client_name: 'Vouched for',
      redirect_uris: ['https://vouched.example.com/callback'],
      require_pkce: false,
      resources: ['https://admin.example.com'],
    })
    const page = await register({
      ...selfDeclared,
      client_uri: 'https://mine.example.com/',
      software_statement,
    })
    const client = informationIn(page)
    expect(client).to.include({ software_statement, client_name: 'Vouched for' })
    expect(client).to.include({ client_uri: 'https://mine.example.com/' })
    expect(client.redirect_uris).to.deep.equal(['https://vouched.example.com/callback'])
    expect(client).not.to.have.any.keys('require_pkce', 'resources')
    const [event] = await server.core.database.query<{ detail: object }>(
      `select detail from audit_events where type = 'client.registered' and client_id = $1`,
      [client.client_id],
    )
    expect(event?.detail).to.include({ mode: 'open', vouched_by: trusted })
  })

  it('persist when the client changes itself, even after expiry, until a new one replaces them (RFC 7592 §2.2)', async () => {
    const now = Math.floor(Date.now() / 1000)
    const first = await sign({ client_name: 'Vouched for', exp: now + 60 })
    const client = informationIn(await register({ ...selfDeclared, software_statement: first }))
    travel(3600)
    const body = { ...selfDeclared, client_id: client.client_id, client_name: 'My own name' }
    const at = client.registration_client_uri
    const changed = informationIn(
      await send('PUT', at, { body, token: client.registration_access_token }),
    )
    expect(changed).to.include({ client_name: 'Vouched for', software_statement: first })
    const next = await sign({ client_name: 'Vouched for again' })
    const replaced = informationIn(
      await send('PUT', at, {
        body: { ...body, software_statement: next },
        token: changed.registration_access_token,
      }),
    )
    expect(replaced).to.include({ client_name: 'Vouched for again', software_statement: next })
    const token = replaced.registration_access_token
    expect(informationIn(await send('GET', at, { token }))).to.include({ software_statement: next })
    await declare({
      mode: 'open',
      software_statements: { issuers: [{ issuer: 'https://other.example', jwks }] },
    })
    expectError(await send('PUT', at, { body, token }), 400, 'unapproved_software_statement')
    expectError(
      await register({ ...selfDeclared, software_statement: first }),
      400,
      'unapproved_software_statement',
    )
  })

  it('are refused if invalid (§3.2.2)', async () => {
    const now = Math.floor(Date.now() / 1000)
    const other = keyPair('one')
    const hmac = await new SignJWT({ iss: trusted })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(Buffer.from(JSON.stringify(own.jwk)))
    const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const sound = await sign({})
    for (const [what, statement] of Object.entries({
      'no JWT': 'x.y.z',
      'another type': 1,
      'another key': await sign({}, { key: other.key }),
      'an unknown kid': await sign({}, { kid: 'two' }),
      'alg none': `${encoded({ alg: 'none' })}.${encoded({ iss: trusted })}.`,
      'the public key as a secret': hmac,
      'claims that were changed': sound.replace(/\..*\./, `.${encoded({ iss: trusted })}.`),
      expired: await sign({ exp: now - 3600 }),
      'not yet': await sign({ nbf: now + 90_000 }),
      'for another server': await sign({ aud: 'https://other.example' }),
      'too large': await sign({ client_name: 'x'.repeat(9000) }),
      'U+0000': await sign({ contacts: ['a\u0000'] }),
    })) {
      const page = await register({ ...selfDeclared, software_statement: statement })
      expect(page.status, what).to.equal(400)
      expectError(page, 400, 'invalid_software_statement')
    }
    for (const claims of [
      { iss: 'https://other.example' },
      { iss: undefined },
      { iss: [trusted] },
    ]) {
      const page = await register({ ...selfDeclared, software_statement: await sign(claims) })
      expectError(page, 400, 'unapproved_software_statement')
    }
    informationIn(
      await register({ ...selfDeclared, software_statement: await sign({ aud: server.issuer }) }),
    )
    await declare({
      mode: 'open',
      software_statements: { issuers: [{ issuer: trusted, jwks, algorithms: ['PS256'] }] },
    })
    const otherwise = await register({ ...selfDeclared, software_statement: sound })
    expectError(otherwise, 400, 'invalid_software_statement')
    await declare({ mode: 'open', software_statements: { issuers } })
    const bad = await sign({ redirect_uris: ['http://evil.example/cb'] })
    expectError(
      await register({ ...selfDeclared, software_statement: bad }),
      400,
      'invalid_redirect_uri',
    )
  })

  it('are required if the policy says so, and ignored if it has no issuers', async () => {
    await declare({ mode: 'open', software_statements: { issuers, required: true } })
    const said = expectError(await register(selfDeclared), 400, 'invalid_client_metadata')
    expect(said).to.contain('software_statement')
    informationIn(await register({ ...selfDeclared, software_statement: await sign({}) }))
    await declare({ mode: 'open' })
    const client = informationIn(await register({ ...selfDeclared, software_statement: 'x' }))
    expect(client).not.to.have.property('software_statement')
  })

  it('are verified with the published keys of their issuer, which may rotate', async () => {
    const host = await startDocumentHost()
    try {
      const next = keyPair('two')
      const publish = (...keys: object[]) =>
        host.answer('/jwks', (response) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.end(JSON.stringify({ keys }))
        })
      const jwks_uri = publish(own.jwk)
      await declare({
        mode: 'open',
        software_statements: { issuers: [{ issuer: trusted, jwks_uri }] },
      })
      const by = async (pair: typeof own, kid: string) =>
        register({ ...selfDeclared, software_statement: await sign({}, { key: pair.key, kid }) })
      informationIn(await by(own, 'one'))
      informationIn(await by(own, 'one'))
      expect(host.asked.get('/jwks')).to.equal(1)
      publish(next.jwk)
      expectError(await by(next, 'two'), 400, 'invalid_software_statement')
      travel(61)
      informationIn(await by(next, 'two'))
      expectError(await by(own, 'one'), 400, 'invalid_software_statement')
      expect(host.asked.get('/jwks'), 'not fetched for each unknown kid').to.equal(2)
      host.answer('/jwks', (response) => response.writeHead(500).end())
      travel(601)
      expectError(await by(next, 'two'), 503, 'temporarily_unavailable')
    } finally {
      host.stop()
    }
  })

  it('are trusted by keys or by an address, never both, and never with symmetric keys', () => {
    const symmetric = { keys: [{ kty: 'oct', k: 'AAAA' }] }
    for (const issuer of [
      { issuer: trusted },
      { issuer: trusted, jwks, jwks_uri: 'https://store.example.com/jwks' },
      { issuer: trusted, jwks: symmetric },
      { issuer: trusted, jwks, algorithms: ['HS256'] },
      { issuer: trusted, jwks, algorithms: ['none'] },
      { issuer: trusted, jwks_uri: 'http://store.example.com/jwks' },
    ]) {
      const policy = { mode: 'open', software_statements: { issuers: [issuer] } }
      expect(registrationPolicy.safeParse(policy).success, JSON.stringify(issuer)).to.equal(false)
    }
  })
})
