import { createHash, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, callback, furnish, machine, spa } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { codeFor, post, tokensIn, verifier } from '../support/protocol.ts'

describe('explain: proofs of possession (RFC 9449 §4.3)', () => {
  const server = booted(anyStorage, {}, furnish)
  let pair: Awaited<ReturnType<typeof generateKeyPair>>
  let jwk: JWK
  const nonced = { ...machine, client_id: 'nonced', require_dpop_nonce: true }
  const now = () => Math.floor(Date.now() / 1000)

  before(async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    await server.core.clients.declare('default', nonced)
    pair = await generateKeyPair('ES256', { extractable: true })
    jwk = await exportJWK(pair.publicKey)
  })

  function proof(claims: object = {}, header: object = {}) {
    const usual = { htm: 'POST', htu: `${server.issuer}/token`, jti: randomUUID(), iat: now() }
    return new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
      .sign(pair.privateKey)
  }
  const ask = async (dpop: string | Promise<string>, client = machine, path = '/token') =>
    post(
      server,
      path,
      client,
      { grant_type: 'client_credentials', resource: api },
      { dpop: await dpop },
    )
  const why = async (page: Page | Promise<Page>) => {
    const id = (await page).headers.get('request-id') as string
    const { check, reason, expected, received } = (await explain.execute(server.core, {
      id,
    })) as Explanation
    return { check, reason, expected, received }
  }

  it('shows for which request a proof was made, and for which it was expected', async () => {
    const htu = 'http://10.0.0.7:3000/token?code=secret'
    const elsewhere = await why(ask(proof({ htu, htm: 'GET', iat: 1_700_000_000, nonce: 'x' })))
    expect(elsewhere).to.include({
      check: 'dpop_proof',
      expected: `a proof for POST ${server.issuer}/token`,
      received:
        'dpop+jwt ES256 for GET http://10.0.0.7:3000/token?code=[6 characters] made at 2023-11-14T22:13:20.000Z with nonce',
    })
    const { check, reason, received } = await why(ask(proof({}, { typ: 'JWT' })))
    expect({ check, reason }).to.deep.equal({
      check: 'dpop_proof',
      reason: 'unexpected "typ" JWT header value',
    })
    expect(received).to.match(/^JWT ES256 for POST /)
    expect((await why(ask('no-proof'))).received).to.equal('[8 characters]')
    expect((await why(ask(proof({ iat: 1e300, htu: 4 })))).received).to.match(
      /^\[\d+ characters\]$/,
    )
  })

  it('shows the whole URL if the issuer has a path', async () => {
    expect((await why(ask(proof(), machine, '/t/acme/token'))).expected).to.equal(
      `a proof for POST ${server.issuer}/t/acme/token`,
    )
  })

  it('recognises a wrong clock, and a missing nonce', async () => {
    const iat = now() - 3600
    const late = await why(ask(proof({ iat })))
    expect(late).to.include({
      check: 'dpop_nonce',
      reason: 'DPoP proof iat is not recent enough, use a DPoP nonce instead',
    })
    expect(late.received).to.include(`made at ${new Date(iat * 1000).toISOString()} without nonce`)
    expect((await why(ask(proof(), nonced))).received).to.match(/without nonce$/)
  })

  it('recognises a missing proof, and the client is told, too', async () => {
    const bound = { ...machine, client_id: 'bound', dpop_bound_access_tokens: true }
    await server.core.clients.declare('default', bound)
    const refused = await post(server, '/token', bound, { grant_type: 'client_credentials' })
    expect(refused.json()).to.include({ error_description: 'DPoP proof JWT not provided' })
    expect(await why(refused)).to.include({ check: 'dpop_present' })
  })

  it('recognises a repeated proof', async () => {
    const one = await proof()
    tokensIn(await ask(one))
    const refused = await why(ask(one))
    expect(refused).to.include({ check: 'dpop_proof', reason: 'DPoP proof JWT Replay detected' })
  })

  it('recognises the proof for another token and a repeated proof at userinfo', async () => {
    const dpop = await proof()
    const form = {
      grant_type: 'authorization_code',
      code: await codeFor(server, spa),
      redirect_uri: callback,
      code_verifier: verifier,
    }
    const { access_token: token } = tokensIn(await post(server, '/token', spa, form, { dpop }))
    const about = { htm: 'GET', htu: `${server.issuer}/userinfo` }
    const ath = createHash('sha256').update(token).digest('base64url')
    const userinfo = (made: string) =>
      exchange({
        method: 'GET',
        url: new URL(about.htu),
        headers: { authorization: `DPoP ${token}`, dpop: made },
      })
    const other = await why(userinfo(await proof({ ...about, ath: 'another' })))
    expect(other).to.include({
      check: 'dpop_proof',
      reason: 'DPoP proof ath mismatch',
      expected: `a proof for GET ${about.htu}`,
    })
    const good = await proof({ ...about, ath })
    expect((await userinfo(good)).status).to.equal(200)
    expect(await why(userinfo(good))).to.include({ check: 'dpop_proof' })
  })
})
