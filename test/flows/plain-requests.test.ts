import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { boot, type TestServer } from '../support/boot.ts'
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
import type { Page } from '../support/http-exchange.ts'
import { samplesOf, scrape } from '../support/prometheus.ts'
import { basic, encode, type Fields, tokensFor } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type Form, sendForm, stackLookUps, throughStack } from '../support/stack.ts'
import { remember } from '../support/witness.ts'

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
const speakers = [posting, odd, sealing]

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
  before(async () => {
    port = String(await freePort())
    const kind = servicesFound() ? 'services' : 'embedded'
    server = await boot(kind, { METRICS_PORT: port })
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

    { what: 'an opaque token', plain: false, form: () => asking({ token: handle }) },
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
    { what: 'nothing at all', plain: false, form: () => raw('') },
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

  /** Sends a request both ways: whatever can be seen of it must be the same. */
  async function compare(form: Form, plain: boolean): Promise<void> {
    // What is kept of a client is kept from its first request on.
    await sendForm(server, form)
    const stack = await watched(throughStack(form))
    const direct = await watched(form)
    expect(direct.seen).to.deep.equal(stack.seen)
    expect(stack.seen.status === 200 || !plain, JSON.stringify(stack.seen.body)).to.equal(true)
    if (plain) expect(direct.lookUps, 'look-ups of the stack').to.equal(0)
    else expect(direct.lookUps, 'look-ups of the stack').to.be.at.least(stack.lookUps)
  }

  async function watched(form: Form) {
    const counts = { ...server.core.counters.read() }
    const figures = await figuresNow()
    const logged = server.logged().length
    const { result, lookUps } = await stackLookUps(server, () => sendForm(server, form))
    // How many refusals are kept of one kind depends on when they come.
    const counted = Object.entries(server.core.counters.read()).filter(
      ([name, count]) =>
        name !== 'refusal_not_kept' && counts[name as keyof typeof counts] !== count,
    )
    const measured = [...(await figuresNow())].flatMap(([name, value]) => {
      const by = value - (figures.get(name) ?? 0)
      return by === 0 ? [] : [`${name} ${by}`]
    })
    const id = result.headers.get('request-id') ?? ''
    expect(id).to.match(/^[\da-f-]{36}$/)
    const lines = server.logged().slice(logged).split('\n')
    const seen = {
      ...{ status: result.status, headers: headersOf(result), body: bodyOf(result) },
      ...{ counted: counted.map(([name]) => name), measured },
      lines: lines.filter((line) => line.includes(id)).map(shapeOfLine),
    }
    return { seen, lookUps }
  }

  async function figuresNow(): Promise<Map<string, number>> {
    const own = /^keyturn_(tokens_issued|requests_refused|http_requests_total)/
    const samples = samplesOf(await scrape(port)).filter(({ name }) => own.test(name))
    return new Map(samples.map(({ name, labels, value }) => [name + JSON.stringify(labels), value]))
  }
})

const idAndSecret = ({ client_id, client_secret }: typeof posting) => ({ client_id, client_secret })

function headersOf({ headers }: Page) {
  const own = new Set(['date', 'request-id'])
  const lengthOfIds = headers.get('content-type')?.includes('+jwt') ? ['content-length'] : []
  return [...headers].filter(([name]) => !own.has(name) && !lengthOfIds.includes(name))
}

/** What a body says, but for what is of one answer alone; a JWT is taken apart. */
function bodyOf({ body, headers }: Page): unknown {
  const type = headers.get('content-type') ?? ''
  if (type.includes('+jwt')) return parts(body)
  if (!type.includes('json')) return body
  const { error_id: id, access_token: token, ...rest } = JSON.parse(body) as Record<string, string>
  return {
    ...rest,
    members: Object.keys(JSON.parse(body) as object).toSorted(),
    ...(id === undefined ? {} : { id: id.length }),
    ...(token === undefined ? {} : { token: parts(token) }),
  }
}

function parts(token: string) {
  if (token.split('.').length !== 3) return token.length
  const { iat = 0, exp = 0, jti = '', ...claims } = decodeJwt(token)
  return {
    ...{ header: decodeProtectedHeader(token), claims, lives: exp - iat, id: jti.length },
    names: Object.keys(decodeJwt(token)),
  }
}

function shapeOfLine(line: string): Record<string, unknown> {
  const {
    time: _time,
    milliseconds,
    request_id: id,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>
  return { ...rest, timed: typeof milliseconds, identified: typeof id }
}
