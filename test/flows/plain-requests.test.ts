import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { bodyOf } from '../support/answer-shapes.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { selfSigned } from '../support/certificates.ts'
import {
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  web,
} from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { basic, encode, type Fields, tokensFor } from '../support/protocol.ts'
import { type Form, sendForm, throughStack, watched } from '../support/stack.ts'
import { remember } from '../support/witness.ts'

const urlencoded = 'application/x-www-form-urlencoded'
const secret = 'a-secret of+a%certain:length'
const posting = {
  client_id: 'posting',
  client_secret: secret,
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials'],
}
const odd = { ...posting, client_id: 'od:d id+', token_endpoint_auth_method: 'client_secret_basic' }
const sealing = {
  client_id: 'sealing',
  client_secret: machine.client_secret,
  grant_types: ['client_credentials'],
  introspection_encrypted_response_alg: 'RSA-OAEP-256',
  introspection_encrypted_response_enc: 'A256GCM',
  jwks_uri: 'https://sealing.example.com/jwks',
}
const machines = {
  both: { ...machine, client_id: 'both', scope: 'orders:read orders:write read sign' },
  bound: { ...machine, client_id: 'bound', dpop_bound_access_tokens: true },
  certified: {
    ...machine,
    client_id: 'certified',
    tls_client_certificate_bound_access_tokens: true,
  },
  scopeless: { ...posting, client_id: 'scopeless', resources: [api] },
  person: { ...web, client_id: 'person', client_secret: secret },
}
const speakers = [posting, odd, sealing, ...Object.values(machines)]
const signatures = 'https://signatures.example.com'

/** A request, and whether it is plain: answered on the direct path. */
interface Row {
  what: string
  plain: boolean
  form: () => Form
}

describe('plain requests', () => {
  let server: TestServer
  let port: string
  let token: string
  let ofPerson: string
  let handle: string
  /** A certificate header of a proxy. */
  let passedOn: Record<string, string>
  before(async () => {
    port = String(await freePort())
    server = await boot(anyStorage, {
      METRICS_PORT: port,
      TRUST_PROXY: '127.0.0.0/8',
      MTLS_CERTIFICATE_HEADER: 'Client-Cert',
    })
    const { cert } = await selfSigned('CN=anybody')
    passedOn = { 'client-cert': `:${new X509Certificate(cert).raw.toString('base64')}:` }
    const { clients, resources } = server.core
    await furnish(server)
    await furnishOpaque(server)
    remember(secret)
    for (const client of speakers) await clients.declare(defaultTenant, client)
    const ids = [ordersApi, ...speakers].map(({ client_id: id }) => id)
    await resources.declare(defaultTenant, {
      identifier: api,
      scopes: ['orders:read', 'orders:write'],
      introspection_clients: ids,
    })
    await resources.declare(defaultTenant, {
      identifier: signatures,
      scopes: ['sign'],
      access_token_signing_alg: 'RS256',
    })
    token = (await tokensFor(server, web, { resource: api })).access_token
    ofPerson = (await tokensFor(server, web)).access_token
    handle = (await tokensFor(server, web, { resource: opaque, scope: 'openid read' })).access_token
  })
  after(() => server?.stop())

  const asking = (fields: Fields, headers: Form['headers'] = {}, client = ordersApi): Form => ({
    path: '/introspect',
    body: encode(fields),
    headers: { authorization: basic(client), ...headers },
  })
  const raw = (body: string, headers: Form['headers'] = {}): Form => ({
    ...asking({}, headers),
    body,
  })
  const pair = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

  const introspections: Row[] = [
    { what: 'a JWT', plain: true, form: () => asking({ token }) },
    { what: 'a JWT of a user', plain: true, form: () => asking({ token: ofPerson }, {}, web) },
    {
      what: 'a token type hint',
      plain: true,
      form: () => asking({ token, token_type_hint: 'refresh_token' }),
    },
    {
      what: 'a secret in the body',
      plain: true,
      form: () => ({ path: '/introspect', body: encode({ token, ...idAndSecret(posting) }) }),
    },
    {
      what: 'Basic with everything percent-encoded (RFC 6749 §2.3.1)',
      plain: true,
      form: () => asking({ token }, {}, odd),
    },
    {
      what: 'Basic with the same client_id in the body',
      plain: true,
      form: () => asking({ token, client_id: ordersApi.client_id }),
    },
    {
      what: 'a charset parameter, and a lower-case scheme',
      plain: true,
      form: () =>
        asking(
          { token },
          {
            'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8',
            authorization: basic(ordersApi).replace('Basic', 'basic'),
          },
        ),
    },
    { what: 'a percent-encoded name', plain: true, form: () => raw(`%74oken=${token}`) },

    { what: 'an opaque token', plain: true, form: () => asking({ token: handle }) },
    { what: 'no token', plain: false, form: () => asking({}) },
    { what: 'an empty token', plain: false, form: () => asking({ token: '' }) },
    { what: 'a token twice', plain: false, form: () => asking({ token: [token, token] }) },
    { what: 'an unknown parameter', plain: false, form: () => asking({ token, x: '1' }) },
    {
      what: 'a query',
      plain: false,
      form: () => ({ ...asking({ token }), path: '/introspect?x' }),
    },
    {
      what: 'another spelling of the path',
      plain: false,
      form: () => ({ ...asking({ token }), path: '/introspect/' }),
    },
    { what: 'empty pairs', plain: false, form: () => raw(`token=${token}&&`) },
    {
      what: 'too many parameters',
      plain: false,
      form: () => raw(`token=${token}${'&'.repeat(250)}`),
    },
    {
      what: 'invalid UTF-8',
      plain: false,
      form: () => raw(`token=${token}&token_type_hint=%FF`),
    },
    { what: 'U+0000', plain: false, form: () => raw(`token=${token}&token_type_hint=%00`) },
    { what: 'an invalid percent sign', plain: false, form: () => raw(`token=${token}%zz`) },
    { what: 'a plus', plain: false, form: () => raw(`token=${token}+`) },
    { what: 'a byte order mark', plain: false, form: () => raw(`\uFEFFtoken=${token}`) },
    {
      what: 'a byte order mark and a charset',
      plain: false,
      form: () =>
        raw(`\uFEFFtoken=${token}`, {
          'content-type': 'application/x-www-form-urlencoded;charset=utf-8',
        }),
    },
    {
      what: 'an unknown charset',
      plain: false,
      form: () =>
        asking({ token }, { 'content-type': 'application/x-www-form-urlencoded; charset=x' }),
    },
    {
      what: 'JSON',
      plain: false,
      form: () => ({
        ...asking({}, { 'content-type': 'application/json' }),
        body: JSON.stringify({ token }),
      }),
    },
    { what: 'an empty body', plain: false, form: () => raw('', { 'content-type': urlencoded }) },
    {
      what: 'a body that is too long',
      plain: false,
      form: () => asking({ token, x: 'x'.repeat(60_000) }),
    },
    {
      what: 'a chunked body that is too long for the engine',
      plain: false,
      form: () => asking({ token, x: 'x'.repeat(60_000) }, { 'transfer-encoding': 'chunked' }),
    },
    {
      what: 'a chunked body',
      plain: false,
      form: () => asking({ token }, { 'transfer-encoding': 'chunked' }),
    },
    {
      what: 'an Origin header',
      plain: false,
      form: () => asking({ token }, { origin: 'https://a.test' }),
    },
    {
      what: 'a certificate header of a proxy (RFC 9440)',
      plain: false,
      form: () => asking({ token }, passedOn),
    },
    {
      what: 'an invalid certificate header of a proxy',
      plain: true,
      form: () => asking({ token }, { 'client-cert': ':bm8=:' }),
    },
    { what: 'a DPoP proof', plain: false, form: () => asking({ token }, { dpop: 'x' }) },
    {
      what: 'a request for a JWT response (RFC 9701)',
      plain: false,
      form: () => asking({ token }, { accept: 'application/token-introspection+jwt' }),
    },
    {
      what: 'a client with encrypted responses',
      plain: false,
      form: () => asking({ token }, {}, sealing),
    },
    { what: 'another client', plain: false, form: () => asking({ token }, {}, machine) },
    { what: 'a broken token', plain: false, form: () => asking({ token: `${token}x` }) },
    { what: 'a token with three parts', plain: false, form: () => asking({ token: 'a.b.c' }) },
    {
      what: 'a wrong secret',
      plain: false,
      form: () => asking({ token }, {}, { ...ordersApi, client_secret: 'not-the-secret-of-it' }),
    },
    {
      what: 'an unknown client',
      plain: false,
      form: () => asking({ token }, {}, { ...ordersApi, client_id: 'nobody' }),
    },
    {
      what: 'Basic of a client registered for client_secret_post (P-043)',
      plain: false,
      form: () => asking({ token }, {}, posting),
    },
    {
      what: 'a secret in the body of a client registered for Basic',
      plain: false,
      form: () => ({ path: '/introspect', body: encode({ token, ...idAndSecret(odd) }) }),
    },
    {
      what: 'a secret in both places',
      plain: false,
      form: () => asking({ token, client_secret: ordersApi.client_secret }),
    },
    {
      what: 'Basic and another client_id in the body',
      plain: false,
      form: () => asking({ token, client_id: web.client_id }),
    },
    {
      what: 'Basic and an assertion',
      plain: false,
      form: () => asking({ token, client_assertion: 'x' }),
    },
    {
      what: 'no client authentication',
      plain: false,
      form: () => ({ path: '/introspect', body: encode({ token }) }),
    },
    ...['Bearer x', 'Basic', 'Basic  eDp5', 'Basic !', 'Basic eDp5 x', 'Basic eDp5=='].map(
      (authorization) => ({
        what: authorization,
        plain: false,
        form: () => asking({ token }, { authorization }),
      }),
    ),
    ...['no colon', ':', ':x', 'x:', 'x:%', 'x:%00', 'x:ü', 'x:a b', '%FF:x'].map((text) => ({
      what: `the Basic pair ${text}`,
      plain: false,
      form: () => asking({ token }, { authorization: pair(text) }),
    })),
  ]

  for (const { what, plain, form } of introspections) {
    it(`introspect with ${what}: same response as the stack${plain ? ', on the direct path' : ''}`, async () => {
      await compare(form(), plain)
    })
  }

  const requesting = (fields: Fields, client: typeof ordersApi = machines.both): Form => ({
    path: '/token',
    body: encode({ grant_type: 'client_credentials', ...fields }),
    headers: { authorization: basic(client) },
  })
  const certified = (form: Form): Form => ({ ...form, headers: { ...form.headers, ...passedOn } })
  const both = 'orders:read orders:write'
  const machineRequests: [what: string, plain: boolean, form: () => Form][] = [
    ['a resource', true, () => requesting({ resource: api })],
    ['a certificate header of a proxy', false, () => certified(requesting({ resource: api }))],
    [
      'a certificate header of a proxy, and certificate-bound tokens',
      false,
      () => certified(requesting({ resource: api }, machines.certified)),
    ],
    ['a scope', true, () => requesting({ resource: api, scope: 'orders:write' })],
    [
      'scopes in another order',
      true,
      () => requesting({ resource: api, scope: `orders:write ${both}` }),
    ],
    ['RS256', true, () => requesting({ resource: signatures })],
    ['no resource', true, () => requesting({})],
    ['a client without scopes', true, () => bySecret(machines.scopeless, { resource: api })],
    ['the revocation feed as resource', false, () => requesting({ resource: feed() }, ordersApi)],
    ['an opaque token', false, () => requesting({ resource: opaque })],
    [
      'a scope of another resource server',
      false,
      () => requesting({ resource: api, scope: 'sign' }),
    ],
    [
      'three scopes, one of another resource server',
      false,
      () => requesting({ resource: api, scope: `${both} sign` }),
    ],
    ['a scope for users', false, () => requesting({ resource: api, scope: 'openid' })],
    ['two spaces', false, () => requesting({ resource: api, scope: 'orders:read  orders:write' })],
    ['a leading space', false, () => requesting({ resource: api, scope: ' orders:read' })],
    ['a quotation mark', false, () => requesting({ resource: api, scope: 'orders:read "' })],
    ['an empty scope', false, () => requesting({ resource: api, scope: '' })],
    [
      'a scope twice',
      false,
      () => requesting({ resource: api, scope: ['orders:read', 'orders:write'] }),
    ],
    ['an unknown resource', false, () => requesting({ resource: `${api}/x` })],
    ['two resources', false, () => requesting({ resource: [api, signatures] })],
    ['a resource that is no URI', false, () => requesting({ resource: 'orders' })],
    ['a parameter of another grant', false, () => requesting({ resource: api, code: 'x' })],
    ['another grant', false, () => requesting({ grant_type: 'authorization_code', code: 'x' })],
    ['no grant', false, () => requesting({ grant_type: undefined })],
    ['a grant twice', false, () => requesting({ grant_type: ['client_credentials', 'x'] })],
    ['an unknown grant', false, () => requesting({ grant_type: 'constructor' })],
    ['a client without this grant', false, () => requesting({ resource: api }, machines.person)],
    ['a client with DPoP-bound tokens', false, () => requesting({ resource: api }, machines.bound)],
    [
      'a wrong secret',
      false,
      () => requesting({}, { ...machine, client_secret: 'not-the-secret-of-it' }),
    ],
    ['no client authentication', false, () => ({ ...requesting({ resource: api }), headers: {} })],
  ]
  const bySecret = (client: typeof posting, fields: Fields): Form => ({
    path: '/token',
    body: encode({ grant_type: 'client_credentials', ...idAndSecret(client), ...fields }),
  })
  const feed = () => `${server.issuer}/revocations`

  for (const [what, plain, form] of machineRequests) {
    it(`client credentials with ${what}: same response as the stack${plain ? ', on the direct path' : ''}`, async () => {
      await compare(form(), plain)
    })
  }

  /** Sends a request on both paths: everything observable must be the same. */
  async function compare(form: Form, plain: boolean): Promise<void> {
    // A client is cached from its first request on.
    await sendForm(server, form)
    const stack = await watched(server, port, throughStack(form))
    const direct = await watched(server, port, form)
    expect(direct.seen).to.deep.equal(stack.seen)
    expect(bodyOf(direct.page)).to.deep.equal(bodyOf(stack.page))
    expect(stack.seen.status === 200 || !plain, stack.page.body).to.equal(true)
    if (plain) expect(direct.lookUps, 'client look-ups of the stack').to.equal(0)
    else expect(direct.lookUps, 'client look-ups of the stack').to.be.at.least(stack.lookUps)
  }
})

const idAndSecret = ({ client_id, client_secret }: typeof posting) => ({ client_id, client_secret })
