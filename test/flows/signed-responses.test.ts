import { expect } from 'chai'
import { compactDecrypt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import {
  type ClientMetadata,
  enableDecryptingResponses,
  enableNonRepudiationChecks,
  useJwtResponseMode,
} from 'openid-client'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { activeKeys } from '../support/active-keys.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, callback, furnish, web } from '../support/fixtures.ts'
import { refresh, tokensFor, tokensIn, userinfo } from '../support/protocol.ts'
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts'
import { createUserAgent } from '../support/user-agent.ts'

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>

onAnyStorage('signed and encrypted responses', (kind) => {
  const server = booted(kind, {}, furnish)
  const credentials = { username: alice.email, password: alice.password }
  before(() => activeKeys(server.core, ['PS256', 'EdDSA']))

  async function partyOf(members: Record<string, unknown>): Promise<RelyingParty> {
    await server.core.clients.declare(defaultTenant, { ...web, ...members })
    return createRelyingParty({
      issuer: server.issuer,
      clientId: String(members['client_id']),
      clientSecret: web.client_secret,
      redirectUri: callback,
      metadata: members as Partial<ClientMetadata>,
    })
  }

  it('of the authorization endpoint are one JWT, which the client verifies (JARM, P-011)', async () => {
    for (const alg of ['ES256', 'PS256', 'RS256', 'EdDSA']) {
      const party = await partyOf({
        client_id: `jarm-${alg}`,
        authorization_signed_response_alg: alg,
      })
      useJwtResponseMode(party.config)
      for (const response_mode of ['jwt', 'query.jwt']) {
        const request = await party.authorize({ response_mode })
        const returned = await createUserAgent().walk(request.url, credentials)
        expect([...returned.searchParams.keys()]).to.deep.equal(['response'])
        expect((await party.finish(request, returned)).access_token).to.be.a('string')
      }
    }
  })

  it('are sent in the fragment and by form_post as well, including errors', async () => {
    const party = await partyOf({ client_id: 'jarm' })
    const claimsIn = (jwt: string) =>
      JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as object
    for (const [fields, expected] of [
      [{}, 'code'],
      [{ prompt: 'none login' }, 'error'],
    ] as const) {
      const fragment = await party.authorize({ response_mode: 'fragment.jwt', ...fields })
      const agent = createUserAgent()
      const { hash } =
        expected === 'code'
          ? await agent.walk(fragment.url, credentials)
          : ((await agent.get(fragment.url)).location as URL)
      const answer = claimsIn(new URLSearchParams(hash.slice(1)).get('response') ?? '')
      expect(answer).to.include.keys(expected, 'iss', 'aud', 'exp', 'state')
      expect(answer).to.include({ iss: server.issuer, aud: 'jarm', state: fragment.state })

      const form = await party.authorize({ response_mode: 'form_post.jwt', ...fields })
      if (expected === 'code') await agent.walk((await party.authorize()).url, credentials)
      const page = await agent.get(form.url)
      const field = page.root.querySelector('form input[name=response]')
      expect(claimsIn(field?.getAttribute('value') ?? '')).to.include.keys(expected, 'iss')
      expect(page.root.querySelectorAll('form input')).to.have.length(1)
    }
  })

  it('are encrypted to the client’s key: authorization, ID token, userinfo', async () => {
    for (const [alg, enc] of [
      ['ECDH-ES', 'A256GCM'],
      ['ECDH-ES+A256KW', 'A128CBC-HS256'],
      ['RSA-OAEP-256', 'A128GCM'],
    ] as const) {
      const pair: KeyPair = await generateKeyPair(alg, { extractable: true })
      const jwk = { ...(await exportJWK(pair.publicKey)), kid: alg, use: 'enc', alg }
      const both = { encrypted_response_alg: alg, encrypted_response_enc: enc }
      const about = (what: string) =>
        Object.fromEntries(Object.entries(both).map(([name, value]) => [`${what}_${name}`, value]))
      const party = await partyOf({
        client_id: `encrypted-${alg}`,
        jwks: { keys: [jwk] },
        authorization_signed_response_alg: 'ES256',
        id_token_signed_response_alg: 'ES256',
        userinfo_signed_response_alg: 'ES256',
        ...about('authorization'),
        ...about('id_token'),
        ...about('userinfo'),
      })
      useJwtResponseMode(party.config)
      enableNonRepudiationChecks(party.config)
      enableDecryptingResponses(party.config, [enc], { key: pair.privateKey, alg, kid: alg })
      const request = await party.authorize({ response_mode: 'jwt', scope: 'openid email' })
      const returned = await createUserAgent().walk(request.url, credentials)
      expect(returned.searchParams.get('response')?.split('.')).to.have.length(5)
      const tokens = await party.finish(request, returned)
      expect(decodeProtectedHeader(tokens.id_token ?? '')).to.include({ alg, enc, kid: alg })
      const { sub } = tokens.claims() as { sub: string }
      const page = await userinfo(server, tokens.access_token)
      expect(page.headers.get('content-type')).to.match(/^application\/jwt/)
      expect(page.body.split('.')).to.have.length(5)
      expect((await party.userinfo(tokens.access_token, sub)).email).to.equal(alice.email)
      const next = await party.refresh(tokens.refresh_token as string)
      expect(next.claims()?.sub).to.equal(sub)
    }
  })

  it('are encrypted to a new key as soon as the client has it, also on a refresh', async () => {
    const alg = 'ECDH-ES'
    const [first, next] = await Promise.all(
      ['first', 'next'].map(async (kid) => {
        const pair = await generateKeyPair(alg, { extractable: true })
        return { ...pair, kid, jwk: { ...(await exportJWK(pair.publicKey)), kid, use: 'enc', alg } }
      }),
    )
    const declare = (key = first) =>
      partyOf({
        client_id: 'rotates',
        jwks: { keys: [key?.jwk] },
        id_token_signed_response_alg: 'ES256',
        id_token_encrypted_response_alg: alg,
        id_token_encrypted_response_enc: 'A256GCM',
      })
    await declare()
    const rotates = { ...web, client_id: 'rotates' }
    const read = async (token: string | undefined, key = first) =>
      (await compactDecrypt(token ?? '', key?.privateKey as KeyPair['privateKey'])).plaintext.length
    const tokens = await tokensFor(server, rotates)
    expect(await read(tokens.id_token)).to.be.above(0)
    await declare(next)
    const again = tokensIn(await refresh(server, rotates, tokens))
    expect(decodeProtectedHeader(again.id_token ?? '').kid).to.equal('next')
    expect(await read(again.id_token, next)).to.be.above(0)
    expect(await read((await tokensFor(server, rotates)).id_token, next)).to.be.above(0)
  })

  it('of userinfo are signed if the client is registered so (P-065)', async () => {
    const party = await partyOf({ client_id: 'signed', userinfo_signed_response_alg: 'ES256' })
    enableNonRepudiationChecks(party.config)
    const request = await party.authorize({ scope: 'openid email' })
    const tokens = await party.finish(
      request,
      await createUserAgent().walk(request.url, credentials),
    )
    const { sub } = tokens.claims() as { sub: string }
    expect((await party.userinfo(tokens.access_token, sub)).email).to.equal(alice.email)
  })

  it('require an encryption key of the client', async () => {
    const refused = await partyOf({
      client_id: 'keyless',
      id_token_encrypted_response_alg: 'RSA-OAEP-256',
    }).then(
      () => undefined,
      (error: { detail: { faults: string[] } }) => error.detail.faults.join(),
    )
    expect(refused).to.contain('jwks')
  })
})
