import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, callback, furnish, machine, ordersApi, spa, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  encode,
  type Fields,
  post,
  refresh,
  type StoryClient,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('explain: common mistakes', () => {
  const server = booted(anyStorage, {}, furnish)

  afterEach(backToPresent)

  const token = (fields: Fields, client: StoryClient | undefined, headers = {}) =>
    post(server, '/token', client, fields, headers)
  const why = async (page: Page | Promise<Page>) => {
    const id = (await page).headers.get('request-id') as string
    const explanation = (await explain.execute(server.core, { id })) as Explanation
    return { ...explanation, text: explain.render(explanation) }
  }
  const machineToken = async () =>
    tokensIn(await token({ grant_type: 'client_credentials', resource: api }, machine)).access_token

  it('shows the error code of the response if the engine uses another one', async () => {
    const refused = await token({ grant_type: 'client_credentials' }, spa)
    expect(refused.json()).to.include({ error: 'unauthorized_client' })
    expect((await why(refused)).text).to.match(/^answered +unauthorized_client$/m)
  })

  it('names the unknown client, however it was sent, but nothing that may be a secret', async () => {
    const grant = { grant_type: 'client_credentials' }
    const unknown = { client_id: 'webb', client_secret: 'a-secret' }
    expect((await why(token(grant, unknown))).text)
      .to.match(/^received +webb$/m)
      .and.match(/^client +It does not exist in any tenant\.$/m)
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await server.core.clients.declare('acme', { ...machine, client_id: 'theirs' })
    const theirs = { ...unknown, client_id: 'theirs' }
    expect(await why(token(grant, theirs))).to.include({ client_now: 'It is in tenant acme.' })
    const { clients } = server.core
    for (const tenant of ['acme', 'default']) {
      await clients.declare(tenant, { ...machine, client_id: 'theirs' })
      await clients.setDisabled(tenant, 'theirs', true)
      const client_now = `It is disabled in tenant ${tenant}.`
      expect(await why(token(grant, theirs))).to.include({ client_now })
    }
    const secretAlone = await exchange({
      method: 'POST',
      url: new URL(`${server.issuer}/token`),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${btoa('a-secret')}`,
      },
      body: 'grant_type=client_credentials',
    })
    expect((await why(secretAlone)).text).not.to.include('a-secret')
  })

  it('shows no secret sent as client id, in the response or the log (C19)', async () => {
    const grant = { grant_type: 'client_credentials' }
    const [ours, chosen, uuid] = [newHandle(), 'chosen-by-somebody', randomUUID()]
    const inBody = { token_endpoint_auth_method: 'client_secret_post' }
    for (const [client_id, client_secret, received] of [
      [ours, 'machine', '[43 characters]'],
      [chosen, 'machine', '[18 characters]'],
      [uuid, 'machine', '[36 characters]'],
      ['a-long-name-of-a-client', ours, 'a-long-name-of-a-client'],
      [uuid, ours, uuid],
      ['machinery', chosen, 'machinery'],
    ] as const) {
      for (const way of [{}, inBody]) {
        const before = server.logged().length
        const refused = await token(grant, { client_id, client_secret, ...way })
        expect(await why(refused)).to.include({ check: 'client_known', received })
        const line = server.logged().slice(before)
        expect(line).to.include(`"client_id":"${received}"`)
        if (received !== client_id) expect(line).not.to.include(client_id)
      }
    }
    const agent = createUserAgent()
    const named = async (client_id: string) =>
      (await why(agent.get(authorizeUrl(server, spa, { client_id })))).received
    expect(await named(uuid)).to.equal(uuid)
    expect(await named(ours)).to.equal('[43 characters]')
    const joined = Buffer.from('first:a-secret-with-a-colon:machine').toString('base64')
    const headers = { authorization: `Basic ${joined}` }
    expect((await why(token(grant, undefined, headers))).text).not.to.include('first')
  })

  it('distinguishes a missing code verifier from a malformed one', async () => {
    const form = async (code_verifier?: string) => ({
      grant_type: 'authorization_code',
      code: await codeFor(server, spa),
      redirect_uri: callback,
      code_verifier,
    })
    const missing = await why(token(await form(), spa))
    expect(missing).to.include({ check: 'code_verifier', received: 'nothing' })
    expect(await why(token(await form('short'), spa))).to.include({ check: 'pkce_format' })
  })

  it('shows what happened to the family of a refresh token that was used too late', async () => {
    for (const wasStored of [false, true]) {
      const first = await tokensFor(server, spa, { scope: 'openid offline_access' })
      const next = tokensIn(await refresh(server, spa, first))
      if (wasStored) tokensIn(await refresh(server, spa, next))
      travel(120)
      const { check, text } = await why(refresh(server, spa, first))
      expect(check).to.equal('refresh_token_once')
      expect(text).to.match(/^received +\[91 characters\] of family [\w-]{22}$/m)
      expect(text).to.match(/^family +Ended \S+: reuse .*"seconds_after_first_use":12\d/m)
      expect(text).to.include(`"successor_used":${String(wasStored)}`)
    }
  })

  it('does not list scopes as allowed if a refresh requests more', async () => {
    const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
    expect(await why(refresh(server, spa, tokens, { scope: 'openid email' }))).to.include({
      expected: 'scopes of the authorization request that the user allowed',
      received: 'openid email',
    })
  })

  it('recognises a resource that was not requested and a token of another client', async () => {
    const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
    expect(await why(refresh(server, spa, tokens, { resource: api }))).to.include({
      check: 'resource_granted',
      expected: server.issuer,
      received: api,
    })
    const grant_type = 'client_credentials'
    expect(await why(token({ grant_type, resource: `${api}/` }, machine))).to.include({
      check: 'resource_known',
    })
    const gone = 'https://gone.example.com'
    await server.core.resources.declare('default', { identifier: gone, scopes: ['gone:read'] })
    const scope = 'gone:read offline_access'
    const left = await tokensFor(server, spa, { scope, resource: gone, nonce: undefined })
    await server.core.resources.delete('default', gone)
    for (const resource of [undefined, gone])
      expect(await why(refresh(server, spa, left, { resource }))).to.include({
        check: 'resource_known',
        received: gone,
      })
    const stolen = await why(refresh(server, web, tokens))
    expect(stolen).to.include({ check: 'refresh_token_known', reason: 'client mismatch' })
    expect(stolen.text).to.match(/^family +Alive/m)
  })

  it('recognises a header without a scheme, without its value, and a secret used in a page', async () => {
    const grant = { grant_type: 'client_credentials' }
    for (const [authorization, shown] of [
      ['the-secret-alone', '[16 characters]'],
      ['the-secret of-two', '[17 characters]'],
      ['Bearer x', 'Bearer'],
      [`Basic ${Buffer.from(`${spa.client_id}:`).toString('base64')}`, 'Basic, without a secret'],
    ] as const) {
      expect(await why(token(grant, undefined, { authorization }))).to.include({
        check: 'authorization_header',
        received: `Authorization: ${shown}`,
      })
    }
    const origin = new URL(callback).origin
    expect(await why(token(grant, web, { origin }))).to.include({
      check: 'origin_allowed',
      expected: 'no browser: this client is confidential (client_secret_basic)',
      received: origin,
    })
  })

  it('recognises an unknown tenant', async () => {
    const page = await createUserAgent().get(`${server.issuer}/t/nobody/interaction/x/login`)
    const id = page.headers.get('request-id')
    expect(page.json()).to.include({ error_id: id })
    expect(await why(page)).to.include({
      check: 'tenant_known',
      endpoint: 'interaction',
      reason: 'there is no tenant nobody, or it is disabled',
    })
    expect(server.logged()).to.include(`"request_id":"${id}"`)
  })

  it('shows URLs as they were sent, without anything that may be a secret', async () => {
    const origin = 'https://app.example.com'
    const bare = { ...spa, client_id: 'bare', redirect_uris: [origin] }
    await server.core.clients.declare('default', bare)
    const agent = createUserAgent()
    for (const [sent, shown = sent] of [
      [`${origin}/`],
      ['HTTPS://app.example.com'],
      [`${origin}:443`],
      [`${origin}/a/../callback`],
      [
        `${origin}/%63allback?code=secret#more`,
        `${origin}/%63allback?code=[6 characters]#[fragment]`,
      ],
      [`${origin}/${'handle'.repeat(8)}`, `${origin}/[48 characters]`],
      ['https://alice:secret@app.example.com/', 'https://[user]@app.example.com/'],
      [String.raw`https:\\alice:secret@app.example.com`, 'https://[user]@app.example.com/'],
      ['com.example.app:callback'],
    ]) {
      const { expected, received } = await why(
        agent.get(authorizeUrl(server, bare, { redirect_uri: sent })),
      )
      expect({ expected, received }).to.deep.equal({ expected: origin, received: shown })
    }
  })

  it('shows the claims of a client assertion', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const keys = [{ ...(await exportJWK(publicKey)), kid: 'one' }]
    await server.core.clients.declare('default', {
      client_id: 'keyed',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys },
      grant_types: ['client_credentials'],
      scope: 'orders:read',
    })
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const asked = async (claims: object, client_assertion_type = type) => {
      const iat = 1_700_000_000
      const usual = { iss: 'keyed', sub: 'keyed', jti: randomUUID(), iat, exp: iat + 60 }
      const client_assertion = await new SignJWT({ aud: server.issuer, ...usual, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'two' })
        .sign(privateKey)
      const grant_type = 'client_credentials'
      const form = { grant_type, resource: api, client_assertion_type, client_assertion }
      return why(post(server, '/token', undefined, form))
    }
    const times = 'made at 2023-11-14T22:13:20.000Z until 2023-11-14T22:14:20.000Z'
    expect(await asked({ aud: `${server.issuer}/` })).to.include({
      check: 'client_assertion',
      expected: `an assertion by private_key_jwt for ${server.issuer}`,
      received: `ES256 with kid two of keyed, about keyed, for ${server.issuer}/ ${times}`,
    })
    expect(await asked({}, 'jwt-bearer')).to.include({
      check: 'client_assertion',
      expected: `an assertion by private_key_jwt or client_secret_jwt for ${server.issuer}`,
    })
  })

  it('names the wrong member of claims, whatever its name', async () => {
    for (const name of ['prompt', 'acr', 'n'.repeat(200)]) {
      const claims = JSON.stringify({ id_token: { [name]: 1 } })
      const page = createUserAgent().get(authorizeUrl(server, spa, { claims }))
      expect(await why(page)).to.include({
        check: 'claims_parameter',
        reason: `claims.id_token.${name.slice(0, 100)} must be null or an object`,
      })
    }
  })

  it('recognises an access token used as id_token_hint', async () => {
    const { access_token: id_token_hint } = await tokensFor(server, spa)
    const page = await createUserAgent().get(`${server.issuer}/logout?${encode({ id_token_hint })}`)
    expect(page.root.querySelector('h1')?.textContent).to.equal('This request is not valid')
    expect(await why(page)).to.include({
      check: 'logout_hint',
      error: 'invalid_request',
      received: `at+jwt of ${server.issuer} for ${server.issuer}`,
    })
  })

  it('shows expected and actual values to a client that registers itself', async () => {
    const faults = async (metadata: object) => {
      const refusal = await server.core.clients
        .declare('default', { redirect_uris: ['https://app.example.com'], ...metadata })
        .catch((error: { detail: { faults: string[] } }) => error.detail)
      return (refusal as { faults: string[] }).faults
    }
    expect(await faults({ redirect_uris: 'https://app.example.com' })).to.deep.equal([
      'redirect_uris: expected a list, got "https://app.example.com"',
    ])
    expect(await faults({ application_type: 'spa' })).to.deep.equal([
      'application_type: expected one of web, native, got "spa"',
    ])
  })

  describe('at userinfo', () => {
    const received = async (sent: string) => (await why(userinfo(server, sent))).received
    const until = String.raw`until \d{4}-\d\d-\d\dT[\d:]{8}\.000Z`

    it('recognises a token that is not an access token, or not of a user', async () => {
      const { issuer } = server
      const { id_token: idToken = '' } = await tokensFor(server, spa)
      expect(await received(idToken)).to.match(
        new RegExp(`^\\[\\d+ characters\\], JWT of ${issuer} for spa ${until}$`),
      )
      expect(await received(await machineToken())).to.match(
        new RegExp(
          `^\\[\\d+ characters\\], at\\+jwt of ${issuer} for ${api} ${until}, without a user$`,
        ),
      )
      expect(await received('nobody-ever-had-it')).to.equal('[18 characters]')
    })

    it('recognises a token for another API', async () => {
      const asked = { scope: 'openid orders:read', resource: api }
      const { access_token: foreign } = await tokensFor(server, spa, asked)
      const refused = await userinfo(server, foreign)
      expect(refused.status).to.equal(401)
      const said = await why(refused)
      expect(said).to.include({ check: 'access_token_audience' })
      expect(said.received).to.include(` for ${api} until `)
    })

    it('recognises a revoked token, and shows what happened to its family', async () => {
      const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
      await post(server, '/revoke', spa, { token: tokens.refresh_token })
      const { text } = await why(userinfo(server, tokens.access_token))
      expect(text).to.match(new RegExp(`${until}, which claims to be of family [\\w-]{22}$`, 'm'))
      expect(text).to.match(/^family +If the token is genuine: Ended \S+: revoked/m)
    })

    it('recognises a forged token that names the family of another user', async () => {
      const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
      const { fid, ...claims } = decodeJwt<{ fid: string }>(tokens.access_token)
      const { privateKey } = await generateKeyPair('ES256')
      const aud = [`https://api.example.com/${'long'.repeat(500)}`]
      const forged = await new SignJWT({ ...claims, fid, aud })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
        .sign(privateKey)
      const { text, ...said } = await why(userinfo(server, forged))
      expect(said.received).to.match(new RegExp(`… until .*, which claims to be of family ${fid}$`))
      expect(said).to.include({ family_claimed: true })
      expect(text).to.match(/^family +If the token is genuine: Alive/m)
      const elsewhere = { client_id: `x of family ${fid}` }
      const unknown = await why(createUserAgent().get(authorizeUrl(server, spa, elsewhere)))
      expect(unknown).to.include({ received: elsewhere.client_id }).and.not.have.property('family')
    })

    it('recognises a missing token', async () => {
      const none = await exchange({
        method: 'GET',
        url: new URL(`${server.issuer}/userinfo`),
        headers: {},
      })
      expect(await why(none)).to.include({ check: 'access_token_place' })
    })
  })

  it('shows why a client may not read the revocation feed', async () => {
    const resource = `${server.issuer}/revocations`
    const ask = (client: StoryClient) =>
      token({ grant_type: 'client_credentials', resource }, client)
    expect((await ask(ordersApi)).status).to.equal(200)
    const reason =
      'the client may not reach this resource: no resource server lists it in introspection_clients'
    expect(await why(ask(machine))).to.include({
      check: 'resource_allowed',
      reason,
    })
    const { register, declare } = registrar(() => server)
    await declare({ mode: 'open' })
    const { client_id, client_secret = '' } = informationIn(await register(selfDeclared))
    const own = { ...machine, client_id, client_secret }
    await server.core.clients.declare('default', own)
    await server.core.resources.declare('default', {
      identifier: 'https://own.example.com',
      introspection_clients: [own.client_id],
    })
    expect((await why(ask(own))).reason).to.equal(
      'the client may not reach this resource: it registered itself',
    )
  })

  it('of a resource that is not open to the client, and of one that its declaration lacks', async () => {
    const { register, declare } = registrar(() => server)
    await declare({ mode: 'open' })
    const own = { ...machine, ...informationIn(await register(selfDeclared)) }
    const listed = { ...spa, client_id: 'listed', resources: [] }
    await server.core.clients.declare('default', listed)
    for (const [client, reason] of [
      [own, /: it registered itself, and the resource server is not open$/],
      [listed, /: it is not in resources of the client$/],
    ] as const) {
      const page = await createUserAgent().get(authorizeUrl(server, client, { resource: api }))
      const { check, reason: said } = await why(page)
      expect(check).to.equal('resource_allowed')
      expect(said).to.match(reason)
    }
  })
})
