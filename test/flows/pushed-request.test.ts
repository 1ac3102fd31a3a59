import { expect } from 'chai'
import { exportJWK, generateKeyPair } from 'jose'
import { getDPoPHandle, PrivateKeyJwt, randomDPoPKeyPair } from 'openid-client'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, callback, furnish, spa, web } from '../support/fixtures.ts'
import { hostileRedirects, registered } from '../support/hostile-redirects.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  encode,
  expectErrorPage,
  expectRefusal,
  expectReturned,
  type Fields,
  post,
  redeem,
  type StoryClient,
  signIn,
  tokensIn,
} from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

onAnyStorage('pushed authorization requests', (kind) => {
  const server = booted(kind, {}, furnish)
  const credentials = { username: alice.email, password: alice.password }
  const strict = { ...web, client_id: 'strict', require_pushed_authorization_requests: true }

  before(async () => {
    await server.core.clients.declare(defaultTenant, strict)
    await server.core.clients.declare(defaultTenant, {
      ...web,
      client_id: 'app',
      redirect_uris: [registered],
    })
  })
  afterEach(backToPresent)

  /** Pushes a valid request, changed by `fields`. */
  function push(client: StoryClient, fields: Fields = {}) {
    const { searchParams } = authorizeUrl(server, client, fields)
    const form: Record<string, string[]> = {}
    for (const name of searchParams.keys()) form[name] = searchParams.getAll(name)
    return post(server, '/par', client, form)
  }
  async function pushed(client: StoryClient, fields: Fields = {}): Promise<string> {
    const page = await push(client, fields)
    expect(page.status, page.body).to.equal(201)
    return (page.json() as { request_uri: string }).request_uri
  }
  const open = (client: StoryClient, request_uri: string, fields: Fields = {}) =>
    new URL(
      `${server.issuer}/authorize?${encode({ client_id: client.client_id, request_uri, ...fields })}`,
    )
  const codeIn = (url: URL | undefined) => url?.searchParams.get('code') ?? undefined

  it('work with openid-client: confidential and public clients, private_key_jwt, and DPoP (P-030, K-40)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    await server.core.clients.declare(defaultTenant, {
      ...web,
      client_id: 'keyed',
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] },
    })
    const clients = [
      { clientId: web.client_id, clientSecret: web.client_secret },
      { clientId: strict.client_id, clientSecret: strict.client_secret },
      { clientId: spa.client_id },
      { clientId: 'keyed', auth: PrivateKeyJwt(privateKey) },
    ]
    for (const client of clients) {
      const party = await createRelyingParty({
        issuer: server.issuer,
        redirectUri: callback,
        ...client,
      })
      const request = await party.push({ scope: 'openid email', resource: api })
      expect([...request.url.searchParams.keys()]).to.have.members(['client_id', 'request_uri'])
      const returned = await createUserAgent().walk(request.url, credentials)
      expect((await party.finish(request, returned)).token_type).to.equal('bearer')

      const DPoP = getDPoPHandle(party.config, await randomDPoPKeyPair())
      const bound = await party.push({}, { DPoP })
      const back = await createUserAgent().walk(bound.url, credentials)
      const stranger = getDPoPHandle(party.config, await randomDPoPKeyPair())
      const refused = await party.finish(bound, back, {}, { DPoP: stranger }).then(
        () => undefined,
        (error: { error: string }) => error.error,
      )
      expect(refused, 'the code is bound to the key of the pushed request').to.equal(
        'invalid_grant',
      )
    }
  })

  it('must be POSTed by an authenticated client, without another request (P-030, P-040)', async () => {
    expectRefusal(await push({ ...web, client_secret: 'wrong' }), 401, 'invalid_client')
    expectRefusal(await push({ client_id: web.client_id }), 401, 'invalid_client')
    expectRefusal(await push({ client_id: 'nobody' }), 401, 'invalid_client')
    const request_uri = await pushed(web)
    expectRefusal(await push(web, { request_uri }), 400, 'request_uri_not_supported')
    expectRefusal(await push(web, { request: 'a.b.c' }), 400, 'invalid_request_object')
    const url = new URL(`${server.issuer}/par`)
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expectRefusal(await exchange({ method, url, headers: {} }), 405, 'invalid_request')
    }
  })

  it('are refused with a JSON error for what the authorization endpoint would refuse (RFC 9126 §2.3)', async () => {
    const faults: [Fields, string][] = [
      [{ redirect_uri: 'https://evil.example/' }, 'invalid_request'],
      [{ redirect_uri: undefined }, 'invalid_request'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ code_challenge: undefined }, 'invalid_request'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ prompt: 'none login' }, 'invalid_request'],
      [{ resource: 'https://nowhere.example' }, 'invalid_target'],
      [{ state: ['a', 'b'] }, 'invalid_request'],
      [{ response_mode: 'web_message' }, 'unsupported_response_mode'],
    ]
    for (const [fields, error] of faults) expectRefusal(await push(web, fields), 400, error)
  })

  it(`compare redirect URIs exactly: ${hostileRedirects.length} similar ones are refused (P-001, C1)`, async () => {
    const app = { ...web, client_id: 'app' }
    for (const redirect_uri of hostileRedirects) {
      const page = await push(app, { redirect_uri })
      expect(page.status, JSON.stringify(redirect_uri)).to.equal(400)
    }
    await pushed(app, { redirect_uri: registered })
  })

  it('can be used for one authorization only (P-031)', async () => {
    const agent = createUserAgent()
    const request_uri = await pushed(web)
    const form = await agent.follow(await agent.get(open(web, request_uri)))
    expect(form.status, 'may be opened again before the sign-in').to.equal(200)
    const returned = await agent.walk(open(web, request_uri), credentials)
    tokensIn(await redeem(server, web, codeIn(returned) ?? ''))
    expectErrorPage(await agent.get(open(web, request_uri)))
    expectErrorPage(await createUserAgent().get(open(web, request_uri)))
  })

  it('lead to one code when opened in ten tabs at once (P-031, C26)', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const request_uri = await pushed(web)
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => agent.get(open(web, request_uri))),
    )
    expect(pages.filter(({ location }) => codeIn(location))).to.have.length(1)
  })

  it('lead to one code even if two users sign in slowly (P-031)', async () => {
    const request_uri = await pushed(web)
    const people: [UserAgent, UserAgent] = [createUserAgent(), createUserAgent()]
    const forms = await Promise.all(
      people.map(async (agent) => agent.follow(await agent.get(open(web, request_uri)))),
    )
    travel(300)
    const ends: (URL | undefined)[] = []
    for (const [i, agent] of people.entries()) {
      let page = forms[i] as (typeof forms)[0]
      page = await agent.follow(await agent.submit(page, { fields: credentials }))
      if (page.location === undefined) page = await agent.follow(await agent.submit(page))
      ends.push(page.location)
    }
    expect(codeIn(ends[0])).to.be.a('string')
    expect(ends[1]?.searchParams.get('error')).to.equal('invalid_request_uri')
  })

  it('expire after a minute (P-031)', async () => {
    const page = await push(web)
    expect((page.json() as { expires_in: number }).expires_in).to.equal(60)
    const { request_uri } = page.json() as { request_uri: string }
    travel(61)
    expectErrorPage(await createUserAgent().get(open(web, request_uri)))
  })

  it('are bound to their client, and cannot be guessed (P-031)', async () => {
    const request_uri = await pushed(web)
    const agent = createUserAgent()
    for (const client of [spa, strict]) {
      const page = await agent.get(open(client, request_uri))
      expect(page.location?.searchParams.has('code') ?? false).to.equal(false)
      expectErrorPage(page)
    }
    const urn = 'urn:ietf:params:oauth:request_uri:'
    for (const uri of [urn, `${urn}x`, `${urn}sha256:x`, 'urn:x', `${request_uri}x`]) {
      expectErrorPage(await agent.get(open(web, uri)))
    }
  })

  it('are used as pushed: other parameters of the URL are ignored (RFC 9126 §4)', async () => {
    const request_uri = await pushed(web, { state: 'pushed' })
    const beside = { redirect_uri: callback, state: 'beside', scope: 'openid email', nonce: 'x' }
    const returned = await createUserAgent().walk(open(web, request_uri, beside), credentials)
    expect(returned.searchParams.get('state')).to.equal('pushed')
    const tokens = tokensIn(await redeem(server, web, codeIn(returned) ?? ''))
    expect(tokens.scope).to.equal('openid')
    const evil = { redirect_uri: 'https://evil.example/' }
    const page = await createUserAgent().get(open(web, await pushed(web), evil))
    expect(page.location?.origin ?? server.issuer).to.equal(server.issuer)
  })

  it('may be required of a client (P-032)', async () => {
    const page = await createUserAgent().get(authorizeUrl(server, strict))
    expectReturned(page, 'invalid_request')
    const metadata = await fetch(`${server.issuer}/.well-known/openid-configuration`)
    const { pushed_authorization_request_endpoint: endpoint } = (await metadata.json()) as Record<
      string,
      unknown
    >
    expect(endpoint).to.equal(`${server.issuer}/par`)
  })

  it('use the default scope if they have none, and honour offline_access (K-01, K-06)', async () => {
    const plain = await pushed(web, { scope: undefined })
    const returned = await createUserAgent().walk(open(web, plain), credentials)
    expect(tokensIn(await redeem(server, web, codeIn(returned) ?? '')).scope).to.equal('openid')

    const offline = await pushed(web, { scope: 'openid offline_access' })
    const again = await createUserAgent().walk(open(web, offline), credentials)
    const tokens = tokensIn(await redeem(server, web, codeIn(again) ?? ''))
    expect(tokens.scope).to.equal('openid offline_access')
  })

  it('are stored only by their hash, also in an unfinished sign-in (architecture §5)', async () => {
    const agent = createUserAgent()
    const page = await agent.follow(await agent.get(open(web, await pushed(web))))
    expect(page.root.querySelector('input[name=password]')).not.to.equal(null)
    // When the server stops, its storage is searched for secrets.
  })
})
