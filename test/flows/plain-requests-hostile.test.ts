import { expect } from 'chai'
import { exportJWK, generateKeyPair } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { bodyOf } from '../support/answer-shapes.ts'
import { anyStorage } from '../support/any-storage.ts'
import type { TestServer } from '../support/boot.ts'
import { type Identity, selfSigned } from '../support/certificates.ts'
import { api, furnish, machine, ordersApi, spa, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import type { Page } from '../support/http-exchange.ts'
import { bootMutual, type MutualServer } from '../support/mutual.ts'
import {
  basic,
  codeFor,
  encode,
  type Fields,
  post,
  redeem,
  type StoryClient,
  type Tokens,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { chanceOf, spelt } from '../support/spellings.ts'
import { type Form, throughStack, watched } from '../support/stack.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

/** The issuer has a path, TLS and a port for certificates, unlike in the other tests of plain requests. */
const path = '/auth'
const secret = 'a-secret-that-is-long-enough-for-hmac-256'
const certified = { tls_client_certificate_bound_access_tokens: true }
const clients = {
  bound: { ...machine, ...certified, client_id: 'bound' },
  shop: { ...web, ...certified, client_id: 'shop' },
  hmac: {
    ...machine,
    client_id: 'hmac',
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_jwt',
  },
  posting: {
    ...machine,
    client_id: 'posting',
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_post',
  },
}
const bank = { client_id: 'bank', client_secret: 'made-up-by-somebody' }
const offline = { scope: 'orders:read offline_access', resource: api, nonce: undefined }

describe('plain requests across clients, certificates and tenants', () => {
  let server: MutualServer
  let metricsPort: string
  let acme: TestServer
  let own: Identity
  let token: string
  let ofAcme: string
  let registered: StoryClient
  let ofRegistered: string
  let bound: string
  const { declare, send } = registrar(() => server)
  const agents = new Map<TestServer, ReturnType<typeof createUserAgent>>()

  before(async () => {
    metricsPort = String(await freePort())
    const port = String(await freePort())
    server = await bootMutual(anyStorage, {
      METRICS_PORT: metricsPort,
      PORT: port,
      ISSUER: `https://localhost:${port}${path}`,
    })
    const { core } = server
    acme = { ...server, issuer: `${server.issuer}/t/acme` }
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    for (const tenant of [defaultTenant, 'acme']) {
      await furnish(server, tenant)
      await core.resources.declare(tenant, {
        identifier: api,
        scopes: ['orders:read', 'orders:write'],
        introspection_clients: [ordersApi.client_id, ...Object.keys(clients)],
        open: true,
      })
    }
    remember(secret)
    for (const client of Object.values(clients)) await core.clients.declare(defaultTenant, client)
    own = await selfSigned('CN=anybody')
    token = tokensIn(await post(server, '/token', machine, asking)).access_token
    ofAcme = tokensIn(await post(acme, '/token', machine, asking)).access_token
    bound = tokensIn(await post(mutual(own), '/token', clients.bound, asking)).access_token
    await declare({ mode: 'open', scopes: ['orders:read', 'offline_access'] })
    const registration = await send('POST', `${server.issuer}/register`, { body: selfDeclared })
    registered = informationIn(registration)
    ofRegistered = (await tokensFor(server, registered, offline)).access_token
    const { publicKey } = await generateKeyPair('ES256', { extractable: true })
    await core.clients.declare(defaultTenant, {
      ...bank,
      fapi: '2.0',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1:9/callback'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] },
      client_secret: undefined,
      dpop_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
    })
    // A client is cached from its first request on.
    for (const client of [web, machine, ordersApi]) {
      for (const at of [server, acme]) await post(at, '/introspect', client, { token })
    }
  })
  after(() => server?.stop())

  const asking = { grant_type: 'client_credentials', resource: api }
  const mutual = (identity?: Identity): TestServer => ({
    ...server.showing(identity),
    issuer: `${server.core.config.mtlsOrigin}${path}`,
  })
  const introspecting = (fields: Fields = { token }, by: StoryClient = ordersApi): Form => ({
    path: '/introspect',
    body: encode(fields),
    headers: { authorization: basic(by) },
  })
  const requesting = (by: StoryClient = machine, fields: Fields = {}): Form => ({
    path: '/token',
    body: encode({ ...asking, ...fields }),
    headers: { authorization: basic(by) },
  })
  const informing = (by: string): Form => ({
    ...{ method: 'GET', path: '/userinfo', body: '' },
    headers: { authorization: `Bearer ${by}` },
  })
  const refreshing = (by: StoryClient, handle: string | undefined): Form => ({
    path: '/token',
    body: encode({ grant_type: 'refresh_token', refresh_token: handle }),
    headers: { authorization: basic(by) },
  })

  async function tokenFor(at: TestServer, client: StoryClient): Promise<string> {
    const agent = agents.get(at) ?? createUserAgent()
    agents.set(at, agent)
    return (await tokensFor(at, client, { scope: 'openid email' }, agent)).access_token
  }

  async function ofCertificate(): Promise<string> {
    const code = await codeFor(server, clients.shop, { scope: 'openid email' }, agents.get(server))
    return tokensIn(await redeem(mutual(own), clients.shop, code)).access_token
  }

  async function handleFor(at: TestServer, client: StoryClient): Promise<string> {
    const agent = agents.get(at) ?? createUserAgent()
    agents.set(at, agent)
    return (await tokensFor(at, client, offline, agent)).refresh_token as string
  }

  interface Row {
    what: string
    plain?: true
    at?: () => TestServer
    form: () => Form | Promise<Form>
  }

  const rows: Row[] = [
    { what: 'introspection with a path in the issuer', plain: true, form: () => introspecting() },
    { what: 'a machine’s token with a path in the issuer', plain: true, form: () => requesting() },
    {
      what: 'a refresh with a path in the issuer',
      plain: true,
      form: async () => refreshing(web, await handleFor(server, web)),
    },
    {
      what: 'introspection at a tenant',
      plain: true,
      at: () => acme,
      form: () => introspecting({ token: ofAcme }),
    },
    {
      what: 'userinfo with a path in the issuer',
      plain: true,
      form: async () => informing(await tokenFor(server, web)),
    },
    {
      what: 'userinfo at a tenant',
      plain: true,
      at: () => acme,
      form: async () => informing(await tokenFor(acme, web)),
    },
    {
      what: 'userinfo with a token of another tenant',
      form: async () => informing(await tokenFor(acme, web)),
    },
    {
      what: 'userinfo with a certificate',
      at: () => mutual(own),
      form: async () => informing(await tokenFor(server, web)),
    },
    {
      what: 'userinfo with a certificate-bound token, without the certificate (RFC 8705 §3)',
      form: async () => informing(await ofCertificate()),
    },
    {
      what: 'userinfo with a certificate-bound token, with the certificate',
      at: () => mutual(own),
      form: async () => informing(await ofCertificate()),
    },
    {
      what: 'a machine’s token at a tenant',
      plain: true,
      at: () => acme,
      form: () => requesting(),
    },
    {
      what: 'a refresh at a tenant',
      plain: true,
      at: () => acme,
      form: async () => refreshing(web, await handleFor(acme, web)),
    },
    {
      what: 'introspection of a token of another tenant',
      form: () => introspecting({ token: ofAcme }),
    },
    {
      what: 'introspection at a tenant of a token of the default tenant',
      at: () => acme,
      form: () => introspecting(),
    },
    {
      what: 'a refresh token of another tenant',
      form: async () => refreshing(web, await handleFor(acme, web)),
    },
    { what: 'a client of another tenant', at: () => acme, form: () => requesting(clients.posting) },

    { what: 'introspection at the port for certificates', at: mutual, form: introspecting },
    {
      what: 'a machine’s token at the port for certificates',
      at: mutual,
      form: () => requesting(),
    },
    { what: 'introspection with a certificate', at: () => mutual(own), form: introspecting },
    {
      what: 'a machine’s token with a certificate',
      at: () => mutual(own),
      form: () => requesting(),
    },
    {
      what: 'a refresh with a certificate',
      at: () => mutual(own),
      form: async () => refreshing(web, await handleFor(server, web)),
    },
    {
      what: 'a token that must be bound, without a certificate',
      form: () => requesting(clients.bound),
    },
    {
      what: 'a token that must be bound, with a certificate',
      at: () => mutual(own),
      form: () => requesting(clients.bound),
    },
    {
      what: 'introspection of a bound token',
      plain: true,
      form: () => introspecting({ token: bound }),
    },

    {
      what: 'a client registered for client_secret_jwt, with its secret',
      form: () => requesting(clients.hmac),
    },
    {
      what: 'a client registered for client_secret_jwt, with its secret in the body',
      form: () => ({
        ...requesting(clients.hmac, { client_id: 'hmac', client_secret: secret }),
        headers: {},
      }),
    },
    {
      what: 'introspection by a public client',
      form: () => ({ path: '/introspect', body: encode({ token, client_id: spa.client_id }) }),
    },
    {
      what: 'a public client with a made-up secret',
      form: () => ({
        path: '/introspect',
        body: encode({ token, client_id: spa.client_id, client_secret: 'made-up-by-somebody' }),
      }),
    },
    {
      what: 'a public client with Basic and an empty secret',
      form: () => introspecting({ token }, { client_id: spa.client_id, client_secret: '' }),
    },
    {
      what: 'a refresh of a public client',
      form: async () => ({
        path: '/token',
        body: encode({
          grant_type: 'refresh_token',
          client_id: spa.client_id,
          refresh_token: await handleFor(server, spa),
        }),
      }),
    },
    {
      what: 'a FAPI client with a made-up secret',
      form: () => requesting(bank),
    },
    {
      what: 'a refresh of a self-registered client',
      form: async () => refreshing(registered, await handleFor(server, registered)),
    },
    {
      what: 'introspection by a self-registered client, of its own token',
      form: () => introspecting({ token: ofRegistered }, registered),
    },
  ]

  for (const { what, plain = false, at = () => server, form } of rows) {
    it(`${what}: same response as the stack${plain ? ', on the direct path' : ''}`, async () => {
      const stack = await watched(at(), metricsPort, throughStack(await form()))
      const direct = await watched(at(), metricsPort, await form())
      expect(direct.seen).to.deep.equal(stack.seen)
      expect(bodyOf(direct.page)).to.deep.equal(bodyOf(stack.page))
      expect(stack.page.status === 200 || !plain, stack.page.body).to.equal(true)
      if (plain) expect(direct.lookUps, 'client look-ups of the stack').to.equal(0)
      else expect(direct.lookUps, 'client look-ups of the stack').to.be.at.least(stack.lookUps)
    })
  }

  const seed = Number(process.env['PLAIN_SEED'] ?? 1)
  const steps = Number(process.env['PLAIN_STEPS'] ?? 60)
  it(`${steps} random spellings with seed ${seed}: same responses as the stack`, async () => {
    const chance = chanceOf(seed)
    let handles = [await handleFor(server, web), await handleFor(server, web)]
    const bearer = await tokenFor(server, web)
    let ahead = 0
    for (let step = 0; step < steps; step++) {
      const kinds = [
        () => introspecting(),
        () => requesting(),
        (handle: string) => refreshing(web, handle),
        () => informing(bearer),
      ]
      const [one, other] = handles.map(chance.of(kinds)) as [Form, Form]
      const twin = chanceOf(seed + step)
      const stack = await watched(
        server,
        metricsPort,
        throughStack(bodiless(spelt(one, chanceOf(seed + step)))),
      )
      const form = bodiless(spelt(other, twin))
      const direct = await watched(server, metricsPort, form)
      const what = `step ${step}: ${JSON.stringify(form)}`
      expect(direct.seen, what).to.deep.equal(stack.seen)
      expect(bodyOf(direct.page), what).to.deep.equal(bodyOf(stack.page))
      if (direct.page.status === 200 && direct.lookUps === 0) ahead++
      const next = [stack, direct].map(({ page }) => handleIn(page))
      handles = handles.map((handle, i) => next[i] ?? handle)
    }
    expect(ahead, 'answered on the direct path').to.be.above(steps / 10)
  })
})

/** The HTTP client of Node sends no length for the body of a GET. */
const bodiless = (form: Form): Form => (form.method === 'GET' ? { ...form, body: '' } : form)

/** The refresh token in a response. */
function handleIn({ body }: Page): string | undefined {
  return body.startsWith('{') ? (JSON.parse(body) as Partial<Tokens>).refresh_token : undefined
}
