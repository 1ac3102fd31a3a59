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

/** A request, and whether it is plain: answered ahead of the engine's stack. */
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
  /** A certificate, as a proxy passes it on. */
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
    { what: 'a JWT of a sign-in', plain: true, form: () => asking({ token: ofPerson }, {}, web) },
    {
      what: 'a hint',
      plain: true,
      form: () => asking({ token, token_type_hint: 'refresh_token' }),
    },
    {
      what: 'a secret in the body',
      plain: true,
      form: () => ({ path: '/introspect', body: encode({ token, ...idAndSecret(posting) }) }),
    },
    {
      what: 'Basic with everything encoded that can be (RFC 6749 §2.3.1)',
      plain: true,
      form: () => asking({ token }, {}, odd),
    },
    {
      what: 'Basic with the client_id again',
      plain: true,
      form: () => asking({ token, client_id: ordersApi.client_id }),
    },
    {
      what: 'a charset, and a scheme in lower case',
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
    { what: 'a name with percent signs', plain: true, form: () => raw(`%74oken=${token}`) },

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
      what: 'another spelling',
      plain: false,
      form: () => ({ ...asking({ token }), path: '/introspect/' }),
    },
    { what: 'empty pairs', plain: false, form: () => raw(`token=${token}&&`) },
    { what: 'too many', plain: false, form: () => raw(`token=${token}${'&'.repeat(250)}`) },
    {
      what: 'what is no UTF-8',
      plain: false,
      form: () => raw(`token=${token}&token_type_hint=%FF`),
    },
    { what: 'U+0000', plain: false, form: () => raw(`token=${token}&token_type_hint=%00`) },
    { what: 'a broken percent sign', plain: false, form: () => raw(`token=${token}%zz`) },
    { what: 'a plus', plain: false, form: () => raw(`token=${token}+`) },
    { what: 'a byte order mark', plain: false, form: () => raw(`\uFEFFtoken=${token}`) },
    {
      what: 'the mark, and a charset',
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
    { what: 'nothing at all', plain: false, form: () => raw('', { 'content-type': urlencoded }) },
    { what: 'too much', plain: false, form: () => asking({ token, x: 'x'.repeat(60_000) }) },
    {
      what: 'too much for the engine, in chunks',
      plain: false,
      form: () => asking({ token, x: 'x'.repeat(60_000) }, { 'transfer-encoding': 'chunked' }),
    },
    {
      what: 'chunks',
      plain: false,
      form: () => asking({ token }, { 'transfer-encoding': 'chunked' }),
    },
    {
      what: 'an origin',
      plain: false,
      form: () => asking({ token }, { origin: 'https://a.test' }),
    },
    {
      what: 'with a certificate that a proxy passed on (RFC 9440)',
      plain: false,
      form: () => asking({ token }, passedOn),
    },
    {
      what: 'with what a proxy passed on for a certificate',
      plain: true,
      form: () => asking({ token }, { 'client-cert': ':bm8=:' }),
    },
    { what: 'a proof', plain: false, form: () => asking({ token }, { dpop: 'x' }) },
    {
      what: 'the wish for a JWT (RFC 9701)',
      plain: false,
      form: () => asking({ token }, { accept: 'application/token-introspection+jwt' }),
    },
    {
      what: 'a client that wants it sealed',
      plain: false,
      form: () => asking({ token }, {}, sealing),
    },
    { what: 'somebody else', plain: false, form: () => asking({ token }, {}, machine) },
    { what: 'what is no token of ours', plain: false, form: () => asking({ token: `${token}x` }) },
    { what: 'three parts', plain: false, form: () => asking({ token: 'a.b.c' }) },
    {
      what: 'a wrong secret',
      plain: false,
      form: () => asking({ token }, {}, { ...ordersApi, client_secret: 'not-the-secret-of-it' }),
    },
    {
      what: 'a client that is none',
      plain: false,
      form: () => asking({ token }, {}, { ...ordersApi, client_id: 'nobody' }),
    },
    {
      what: 'Basic of a client that is registered for the body (P-043)',
      plain: false,
      form: () => asking({ token }, {}, posting),
    },
    {
      what: 'the body of one that is registered for Basic',
      plain: false,
      form: () => ({ path: '/introspect', body: encode({ token, ...idAndSecret(odd) }) }),
    },
    {
      what: 'a secret both ways',
      plain: false,
      form: () => asking({ token, client_secret: ordersApi.client_secret }),
    },
    {
      what: 'Basic and another client_id',
      plain: false,
      form: () => asking({ token, client_id: web.client_id }),
    },
    {
      what: 'an assertion beside it',
      plain: false,
      form: () => asking({ token, client_assertion: 'x' }),
    },
    {
      what: 'nobody',
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
      what: `the pair ${text}`,
      plain: false,
      form: () => asking({ token }, { authorization: pair(text) }),
    })),
  ]

  for (const { what, plain, form } of introspections) {
    it(`introspect ${what}: as the stack does${plain ? ', ahead of it' : ''}`, async () => {
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
    ['a certificate that a proxy passed on', false, () => certified(requesting({ resource: api }))],
    [
      'a certificate that a proxy passed on, to which its tokens are bound',
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
    [
      'a resource server for who introspects',
      false,
      () => requesting({ resource: feed() }, ordersApi),
    ],
    ['an opaque token', false, () => requesting({ resource: opaque })],
    ['a scope of another', false, () => requesting({ resource: api, scope: 'sign' })],
    [
      'a scope of two, one of another',
      false,
      () => requesting({ resource: api, scope: `${both} sign` }),
    ],
    ['a scope of people', false, () => requesting({ resource: api, scope: 'openid' })],
    ['two spaces', false, () => requesting({ resource: api, scope: 'orders:read  orders:write' })],
    ['a space in front', false, () => requesting({ resource: api, scope: ' orders:read' })],
    ['a quotation mark', false, () => requesting({ resource: api, scope: 'orders:read "' })],
    ['an empty scope', false, () => requesting({ resource: api, scope: '' })],
    [
      'a scope twice',
      false,
      () => requesting({ resource: api, scope: ['orders:read', 'orders:write'] }),
    ],
    ['a resource that is none', false, () => requesting({ resource: `${api}/x` })],
    ['two resources', false, () => requesting({ resource: [api, signatures] })],
    ['no address', false, () => requesting({ resource: 'orders' })],
    ['a parameter of another grant', false, () => requesting({ resource: api, code: 'x' })],
    ['another grant', false, () => requesting({ grant_type: 'authorization_code', code: 'x' })],
    ['no grant', false, () => requesting({ grant_type: undefined })],
    ['a grant twice', false, () => requesting({ grant_type: ['client_credentials', 'x'] })],
    ['a grant of nobody', false, () => requesting({ grant_type: 'constructor' })],
    ['a client of people', false, () => requesting({ resource: api }, machines.person)],
    ['a client that is bound to a key', false, () => requesting({ resource: api }, machines.bound)],
    [
      'a wrong secret',
      false,
      () => requesting({}, { ...machine, client_secret: 'not-the-secret-of-it' }),
    ],
    ['nobody', false, () => ({ ...requesting({ resource: api }), headers: {} })],
  ]
  const bySecret = (client: typeof posting, fields: Fields): Form => ({
    path: '/token',
    body: encode({ grant_type: 'client_credentials', ...idAndSecret(client), ...fields }),
  })
  const feed = () => `${server.issuer}/revocations`

  for (const [what, plain, form] of machineRequests) {
    it(`a machine's request, ${what}: as the stack does${plain ? ', ahead of it' : ''}`, async () => {
      await compare(form(), plain)
    })
  }

  /** Sends a request both ways: whatever can be seen of it must be the same. */
  async function compare(form: Form, plain: boolean): Promise<void> {
    // What is kept of a client is kept from its first request on.
    await sendForm(server, form)
    const stack = await watched(server, port, throughStack(form))
    const direct = await watched(server, port, form)
    expect(direct.seen).to.deep.equal(stack.seen)
    expect(bodyOf(direct.page)).to.deep.equal(bodyOf(stack.page))
    expect(stack.seen.status === 200 || !plain, stack.page.body).to.equal(true)
    if (plain) expect(direct.lookUps, 'look-ups of the stack').to.equal(0)
    else expect(direct.lookUps, 'look-ups of the stack').to.be.at.least(stack.lookUps)
  }
})

const idAndSecret = ({ client_id, client_secret }: typeof posting) => ({ client_id, client_secret })
