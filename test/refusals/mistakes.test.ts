import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { api, callback, furnish, machine, ordersApi, spa } from '../support/fixtures.ts'
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
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('explain leads to the mistake in one step', () => {
  let server: TestServer

  before(async () => {
    server = await boot('embedded')
    await furnish(server)
  })
  afterEach(backToPresent)
  after(() => server?.stop())

  const token = (fields: Fields, client: StoryClient, headers = {}) =>
    post(server, '/token', client, fields, headers)
  const why = async (page: Page | Promise<Page>) => {
    const id = (await page).headers.get('request-id') as string
    const explanation = (await explain.execute(server.core, { id })) as Explanation
    return { ...explanation, text: explain.render(explanation) }
  }
  const machineToken = async () =>
    tokensIn(await token({ grant_type: 'client_credentials', resource: api }, machine)).access_token

  it('says the code that was answered, where the engine has another one', async () => {
    const refused = await token({ grant_type: 'client_credentials' }, spa)
    expect(refused.json()).to.include({ error: 'unauthorized_client' })
    expect((await why(refused)).text).to.match(/^answered +unauthorized_client$/m)
  })

  it('says which client is unknown, however it was named, and never what may be a secret', async () => {
    const grant = { grant_type: 'client_credentials' }
    const unknown = { client_id: 'webb', client_secret: 'a-secret' }
    expect((await why(token(grant, unknown))).text).to.match(/^received +webb$/m)
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

  it('knows a code verifier that is missing from one that is malformed', async () => {
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

  it('says what became of the family of a refresh token that came too late', async () => {
    const first = await tokensFor(server, spa, { scope: 'openid offline_access' })
    tokensIn(await refresh(server, spa, first))
    travel(120)
    const { check, text } = await why(refresh(server, spa, first))
    expect(check).to.equal('refresh_token_once')
    expect(text).to.match(/^received +\[87 characters\] of family [\w-]{22}$/m)
    expect(text).to.match(/^family +Ended \S+: reuse .*"seconds_after_first_use":12\d/m)
  })

  it('promises no scopes where a refresh asks for more', async () => {
    const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
    expect(await why(refresh(server, spa, tokens, { scope: 'openid email' }))).to.include({
      expected: 'scopes of the authorization request that the person allowed',
      received: 'openid email',
    })
  })

  it('shows addresses as they were spelled, and nothing that may be a secret', async () => {
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

  it('says what a client assertion was made of', async () => {
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
    expect((await asked({}, 'jwt-bearer')).check).to.equal('client_assertion')
  })

  it('knows an access token in the place of id_token_hint', async () => {
    const { access_token: id_token_hint } = await tokensFor(server, spa)
    const page = createUserAgent().get(`${server.issuer}/logout?${encode({ id_token_hint })}`)
    expect(await why(page)).to.include({ check: 'logout_hint' })
  })

  it('says of a client that registers itself what was expected and what came', async () => {
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

    it('a token that is no access token, or of no person', async () => {
      const { issuer } = server
      const { id_token: idToken = '' } = await tokensFor(server, spa)
      expect(await received(idToken)).to.match(
        new RegExp(`^\\[\\d+ characters\\], JWT of ${issuer} for spa ${until}$`),
      )
      expect(await received(await machineToken())).to.match(
        new RegExp(
          `^\\[\\d+ characters\\], at\\+jwt of ${issuer} for ${api} ${until}, without a person$`,
        ),
      )
      expect(await received('nobody-ever-had-it')).to.equal('[18 characters]')
    })

    it('a token that was revoked, with what became of its family', async () => {
      const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
      await post(server, '/revoke', spa, { token: tokens.refresh_token })
      const { text } = await why(userinfo(server, tokens.access_token))
      expect(text).to.match(new RegExp(`${until} of family [\\w-]{22}$`, 'm'))
      expect(text).to.match(/^family +Ended \S+: revoked/m)
    })

    it('no token at all', async () => {
      const none = await exchange({
        method: 'GET',
        url: new URL(`${server.issuer}/userinfo`),
        headers: {},
      })
      expect(await why(none)).to.include({ check: 'access_token_place' })
    })
  })

  it('of the revocation feed: whose client it is', async () => {
    const resource = `${server.issuer}/revocations`
    const ask = (client: StoryClient) =>
      token({ grant_type: 'client_credentials', resource }, client)
    expect((await ask(ordersApi)).status).to.equal(200)
    const reason =
      'the client may not reach this resource: it is in introspection_clients of no resource server'
    expect(await why(ask(machine))).to.include({
      check: 'resource_allowed',
      reason,
    })
  })
})
