import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import {
  initiateBackchannelAuthentication,
  PrivateKeyJwt,
  pollBackchannelAuthenticationGrant,
} from 'openid-client'
import { cibaGrant } from '../../src/clients/client.ts'
import { isDomainError } from '../../src/errors.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { answerRequest } from '../support/ciba.ts'
import {
  alice,
  api,
  callback,
  furnish,
  furnishOpaque,
  opaque,
  ordersApi,
  web,
} from '../support/fixtures.ts'
import {
  authorizeUrl,
  expectReturned,
  introspect,
  redeem,
  refresh,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** An OAuth request without OpenID: no nonce. */
const pure = { nonce: undefined }

onAnyStorage('pairwise subjects, and client keys at a jwks_uri', (kind) => {
  let server: TestServer
  const documents = new Map<string, unknown>()
  const site = createServer((request, response) => {
    const found = documents.get(request.url ?? '')
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(found ?? {}))
  })
  const at = (path: string) => `http://127.0.0.1:${(site.address() as AddressInfo).port}${path}`
  const other = 'https://other.example/callback'
  const hidden = { ...web, client_id: 'hidden', subject_type: 'pairwise' }
  const sibling = { ...hidden, client_id: 'sibling' }
  const declare = (client: Record<string, unknown>) =>
    server.core.clients.declare(defaultTenant, client).then(
      () => 'accepted',
      (error: { detail: { faults: string[] } }) =>
        isDomainError(error, 'client_invalid') ? error.detail.faults.join() : 'failed',
    )

  before(async () => {
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    server = await boot(kind, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    await furnishOpaque(server)
    expect(await declare(hidden)).to.equal('accepted')
    expect(await declare(sibling)).to.equal('accepted')
  })
  afterEach(backToPresent)
  after(async () => {
    await server?.stop()
    site.close()
  })

  const subOf = (token: string | undefined) => decodeJwt(token ?? '').sub as string

  it('are the same in ID token, access token, userinfo and introspection, and differ from the account id (P-057)', async () => {
    const plain = await tokensFor(server, web)
    const account = subOf(plain.id_token)
    const tokens = await tokensFor(server, hidden)
    const sub = subOf(tokens.id_token)
    expect(sub)
      .to.match(/^[\w-]{22}$/)
      .and.not.equal(account)
    expect(subOf(tokens.access_token)).to.equal(sub)
    const said = await userinfo(server, tokens.access_token)
    expect(said.status, said.body).to.equal(200)
    expect((said.json() as { sub: string }).sub).to.equal(sub)
    expect(await introspect(server, hidden, tokens.access_token)).to.include({ active: true, sub })
    expect(subOf((await tokensFor(server, sibling)).id_token)).to.equal(sub)

    const forApi = await tokensFor(server, hidden, { ...pure, resource: api, scope: 'orders:read' })
    expect(await introspect(server, ordersApi, forApi.access_token)).to.include({ sub })
    const handle = await tokensFor(server, hidden, { ...pure, resource: opaque, scope: 'read' })
    expect(handle.access_token).not.to.include('.')
    const answer = await introspect(server, ordersApi, handle.access_token)
    expect(answer).to.include({ active: true, sub })
    expect(answer['sid']).to.be.a('string')
    const next = tokensIn(await refresh(server, hidden, tokens))
    expect(subOf(next.id_token ?? next.access_token)).to.equal(sub)
  })

  it('are covered by log-out everywhere', async () => {
    const tokens = await tokensFor(server, hidden)
    const { accounts, revocations } = server.core
    const { account } = await accounts.authenticate(defaultTenant, alice.email, alice.password, {
      ip: '192.0.2.1',
    })
    await revocations.logOutEverywhere(account)
    expect(await introspect(server, hidden, tokens.access_token)).to.deep.equal({ active: false })
    expect((await userinfo(server, tokens.access_token)).status).to.equal(401)
  })

  it('are used by id_token_hint and the claims parameter (P-020, P-021)', async () => {
    const agent = createUserAgent()
    const { id_token = '' } = await tokensFor(server, hidden, {}, agent)
    const hint = { prompt: 'none', id_token_hint: id_token }
    const { location } = await agent.get(authorizeUrl(server, hidden, hint))
    expect(location?.searchParams.has('code')).to.equal(true)
    const claims = (value: string) => JSON.stringify({ id_token: { sub: { value } } })
    const mine = { prompt: 'none', claims: claims(subOf(id_token)) }
    const got = (await agent.get(authorizeUrl(server, hidden, mine))).location
    tokensIn(await redeem(server, hidden, got?.searchParams.get('code') ?? ''))
    const another = { prompt: 'none', claims: claims('somebody-else') }
    expectReturned(await agent.get(authorizeUrl(server, hidden, another)), 'login_required')
  })

  it('of clients with several hosts require a sector document at an https URL (P-082)', async () => {
    const two = { ...hidden, client_id: 'two', redirect_uris: [callback, other] }
    expect(await declare(two)).to.contain('sector_identifier_uri')
    const native = { ...two, application_type: 'native' }
    for (const theirs of [`com.example.app://${new URL(callback).host}/`, 'com.example.app:/']) {
      const schemes = { ...native, redirect_uris: [callback, theirs] }
      expect(await declare(schemes), theirs).to.contain('sector_identifier_uri')
    }
    const sector = { ...two, sector_identifier_uri: at('/sector') }
    // Unlike other addresses, this one may not be plain http even on loopback.
    expect(await declare(sector)).to.contain('https')
  })

  it('keys are fetched from jwks_uri, and again for a new key (K-40)', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const key = { ...(await exportJWK(pair.publicKey)), kid: 'one' }
    documents.set('/keys', { keys: [key] })
    const keyed = {
      client_id: 'keyed',
      grant_types: ['client_credentials'],
      scope: 'orders:read',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: at('/keys'),
    }
    expect(await declare(keyed)).to.equal('accepted')
    const ask = async (privateKey: typeof pair.privateKey, kid: string) => {
      const party = await createRelyingParty({
        issuer: server.issuer,
        clientId: 'keyed',
        redirectUri: callback,
        auth: PrivateKeyJwt({ key: privateKey, kid }),
      })
      return party.clientCredentials({ resource: api }).then(
        ({ token_type }) => token_type,
        (error: { error: string }) => error.error,
      )
    }
    expect(await ask(pair.privateKey, 'one')).to.equal('bearer')
    const stranger = await generateKeyPair('ES256')
    expect(await ask(stranger.privateKey, 'one')).to.equal('invalid_client')
    const next = await generateKeyPair('ES256', { extractable: true })
    documents.set('/keys', { keys: [{ ...(await exportJWK(next.publicKey)), kid: 'two' }] })
    travel(120)
    expect(await ask(next.privateKey, 'two')).to.equal('bearer')
    expect(await ask(pair.privateKey, 'one')).to.equal('invalid_client')
    backToPresent()
    expect(await declare({ ...keyed, jwks: { keys: [key] } })).to.contain('jwks')
    expect(await declare({ ...keyed, jwks_uri: 'http://keys.example/' })).to.contain('https')
  })

  it('identify a user in backchannel requests: the ID token of a pairwise client is a hint (CIBA §7.1)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    documents.set('/bank', { keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] })
    const hiddenBank = {
      ...{ client_id: 'hidden-bank', grant_types: [cibaGrant], subject_type: 'pairwise' },
      ...{ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: at('/bank') },
      backchannel_token_delivery_mode: 'poll',
    }
    expect(await declare(hiddenBank)).to.equal('accepted')
    const { config } = await createRelyingParty({
      ...{ issuer: server.issuer, clientId: 'hidden-bank', redirectUri: callback },
      auth: PrivateKeyJwt({ key: privateKey, kid: 'one' }),
    })
    const tokensOf = async (hint: Record<string, string>) => {
      const parameters = { scope: 'openid', ...hint }
      const request = await initiateBackchannelAuthentication(config, parameters)
      await answerRequest(server)
      return pollBackchannelAuthenticationGrant(config, { ...request, interval: 0 })
    }
    const first = await tokensOf({ login_hint: alice.email })
    const sub = subOf(first.id_token)
    expect(sub).to.match(/^[\w-]{22}$/)
    const second = await tokensOf({ id_token_hint: first.id_token as string })
    expect(subOf(second.id_token)).to.equal(sub)
  })
})
