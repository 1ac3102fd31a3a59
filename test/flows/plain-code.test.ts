import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { familyStartedBy } from '../../src/families/family.ts'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, callback, furnish, furnishOpaque, opaque, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  codeFor,
  encode,
  expectRefusal,
  type Fields,
  type Tokens,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { type Form, sendForm, throughStack, tokenForm, watched } from '../support/stack.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const offline = { scope: 'openid email profile offline_access' }
const sector = { ...web, client_id: 'sector', subject_type: 'pairwise' }
const posting = { ...web, client_id: 'posting', token_endpoint_auth_method: 'client_secret_post' }
const bare = { ...web, client_id: 'bare', id_token_scope_claims: false }
const elliptic = { ...web, client_id: 'elliptic', id_token_signed_response_alg: 'ES256' }
const once = { ...web, client_id: 'once', grant_types: ['authorization_code'] }
const strict = { ...web, client_id: 'strict' }
const bound = { ...web, client_id: 'bound', dpop_bound_access_tokens: true }
const clients = [sector, posting, bare, elliptic, once, strict, bound]

/** An exchange of a new code, and whether the direct path answers it. */
interface Row {
  what: string
  plain: boolean
  client?: typeof web
  /** The parameters of the authorization request. */
  asked?: Fields
  /** Parameters added to the token request, or replaced in it. */
  fields?: Fields
  /** The client that presents the code. */
  by?: typeof web
  /** Changes the code, or what it depends on, before the exchange. */
  before?: (form: Form) => Promise<unknown>
  /** Undoes the change. */
  after?: () => Promise<unknown>
}

describe('plain exchanges of codes', () => {
  let agent = createUserAgent()
  let server: TestServer
  let port: string
  before(async () => {
    port = String(await freePort())
    server = await boot(anyStorage, { METRICS_PORT: port })
    await furnish(server)
    await furnishOpaque(server)
    for (const client of clients) await server.core.clients.declare(defaultTenant, client)
  })
  after(() => server?.stop())
  afterEach(backToPresent)

  function formOf(code: string | undefined, fields: Fields, client: typeof web): Form {
    const usual = { grant_type: 'authorization_code', code, redirect_uri: callback }
    return tokenForm({ ...usual, code_verifier: verifier, ...fields }, client)
  }
  const change = (sql: string, ...parameters: unknown[]) =>
    server.core.database.execute(sql, parameters)
  const setDisabled = (disabled: boolean) =>
    change('update accounts set disabled_at = $1', disabled ? new Date() : null)

  let resumePolls = (): void => undefined
  /** Freezes the result of the poll for changes, so that cached state stays in use. */
  async function freezePolls(): Promise<void> {
    const { notifications } = server.core.storage
    const { query } = notifications
    let first: Promise<never[]> | undefined
    let isHeard = false
    notifications.query = (sql, parameters) => {
      if (!sql.includes('from changes')) return query(sql, parameters)
      first ??= query<never>(sql, parameters).finally(() => {
        isHeard = true
      })
      return first
    }
    resumePolls = () => {
      notifications.query = query
    }
    await eventually('a poll ends', () => isHeard)
  }

  const rows: Row[] = [
    { what: 'with offline access', plain: true, asked: offline },
    { what: 'without offline access', plain: true, asked: { scope: 'openid' } },
    {
      what: 'without openid',
      plain: true,
      asked: { scope: 'orders:read', resource: api, nonce: undefined },
    },
    { what: 'of a pairwise client', plain: true, client: sector, asked: offline },
    { what: 'with the secret in the body', plain: true, client: posting },
    { what: 'whose ID token has no scope claims', plain: true, client: bare, asked: offline },
    { what: 'whose ID token is signed ES256', plain: true, client: elliptic, asked: offline },
    { what: 'of a client without refresh tokens', plain: true, client: once },

    {
      what: 'for an opaque token',
      plain: false,
      asked: { scope: 'read', resource: opaque, nonce: undefined },
    },
    {
      what: 'with requested claims',
      plain: false,
      asked: { claims: JSON.stringify({ id_token: { email: null }, userinfo: { name: null } }) },
    },
    { what: 'with a max_age', plain: false, asked: { max_age: '600' } },
    { what: 'with a resource', plain: false, fields: { resource: api } },
    { what: 'with an unknown parameter', plain: false, fields: { x: '1' } },
    { what: 'without a code', plain: false, fields: { code: undefined } },
    { what: 'with an invalid code', plain: false, fields: { code: 'x' } },
    { what: 'with a hash instead of a code', plain: false, fields: { code: 'sha256:x' } },
    { what: 'without its redirect URI', plain: false, fields: { redirect_uri: undefined } },
    {
      what: 'with another redirect URI',
      plain: false,
      fields: { redirect_uri: 'https://other.example/callback' },
    },
    { what: 'without a verifier (P-008)', plain: false, fields: { code_verifier: undefined } },
    {
      what: 'with another verifier (P-008)',
      plain: false,
      fields: { code_verifier: 'y'.repeat(43) },
    },
    { what: 'with a short verifier (P-008)', plain: false, fields: { code_verifier: 'y' } },
    { what: 'with a code of another client (P-017)', plain: false, by: strict },
    { what: 'of a client with DPoP-bound tokens', plain: false, client: bound },
    {
      what: 'with a code bound to a key (RFC 9449 §10)',
      plain: false,
      asked: { dpop_jkt: 'a'.repeat(43) },
    },
    {
      what: 'with a used code (P-045)',
      plain: false,
      before: (form) => sendForm(server, form),
    },
    {
      what: 'with a code used on the stack (P-045)',
      plain: false,
      before: (form) => sendForm(server, throughStack(form)),
    },
    { what: 'with an expired code', plain: false, before: async () => travel(61) },
    {
      what: 'whose session has ended (C26)',
      plain: false,
      async before() {
        await change('update sessions set ended_at = now() where ended_at is null')
        agent = createUserAgent()
      },
    },
    {
      what: 'whose grant was revoked',
      plain: false,
      before: () => change(`update grants set revoked_at = now() where client_id = 'web'`),
      after: () => change(`update grants set revoked_at = null where client_id = 'web'`),
    },
    {
      what: 'of a disabled client, before the node hears of it',
      plain: false,
      client: strict,
      async before() {
        await freezePolls()
        await sendForm(server, formOf('none', {}, strict))
        await change(`update clients set disabled_at = now() where client_id = 'strict'`)
      },
      async after() {
        resumePolls()
        await change(`update clients set disabled_at = null where client_id = 'strict'`)
      },
    },
    {
      what: 'of a disabled user',
      plain: false,
      before: () => setDisabled(true),
      after: () => setDisabled(false),
    },
    {
      what: 'whose sign-in is too weak by now (ASVS 6.3.3)',
      plain: false,
      client: strict,
      before: () => server.core.clients.declare(defaultTenant, { ...strict, require_mfa: true }),
      after: () => server.core.clients.declare(defaultTenant, strict),
    },
  ]

  for (const row of rows) {
    it(`${row.what}: same response as the stack${row.plain ? ', on the direct path' : ''}`, async () => {
      const stack = await exchanged(row, throughStack)
      const direct = await exchanged(row, (form) => form)
      expect(direct.seen).to.deep.equal(stack.seen)
      expect(stack.seen.status === 200 || !row.plain, JSON.stringify(stack.seen)).to.equal(true)
      expect(stack.lookUps).to.be.at.least(1)
      if (row.plain) expect(direct.lookUps, 'client look-ups of the stack').to.equal(0)
      else expect(direct.lookUps, 'client look-ups of the stack').to.be.at.least(stack.lookUps)
    })
  }

  it('at the same time on both paths: one succeeds, and the reuse ends its tokens (P-045, C26)', async () => {
    const form = formOf(await codeFor(server, web, offline, agent), {}, web)
    const asked = Array.from({ length: 8 }, (_, n) => (n % 2 ? form : throughStack(form)))
    const answers = await Promise.all(asked.map((each) => sendForm(server, each)))
    const given = answers.filter(({ status }) => status === 200)
    expect(given).to.have.length(1)
    const { refresh_token } = tokensIn(given[0] as Page)
    const refresh = { grant_type: 'refresh_token', refresh_token }
    const again = { ...form, body: encode(refresh) }
    expectRefusal(await sendForm(server, again), 400, 'invalid_grant')
  })

  it('for an opaque token: only the stack locks the redemption', async () => {
    const { redemptions } = server.core
    const { hold } = redemptions
    const asked = { scope: 'read', resource: opaque, nonce: undefined }
    const form = formOf(await codeFor(server, web, asked, agent), {}, web)
    let held = 0
    try {
      redemptions.hold = (what) => {
        held++
        return hold(what)
      }
      tokensIn(await sendForm(server, form))
    } finally {
      redemptions.hold = hold
    }
    expect(held).to.equal(1)
  })

  /** The stored family and events, without values unique to one code. */
  async function storedFamily(family: string): Promise<unknown> {
    const tokens = await server.core.database.query(
      `select payload - 'iat' - 'exp' - 'iiat' - 'authTime' - 'sid' - 'sessionUid' as payload,
         (payload->>'iiat') = (payload->>'iat') as fresh, t.ip, t.user_agent, f.ip as from_ip,
         f.user_agent as from_agent, ends_with_session, f.client_id, f.grant_id, ended_reason,
         (payload->>'exp')::int - (payload->>'iat')::int as lives,
         round(extract(epoch from t.expires_at - issued_at)) as kept,
         round(extract(epoch from f.expires_at - created_at)) as family_lives
       from refresh_tokens t join families f on f.tenant_id = t.tenant_id and f.id = t.family_id
       where f.id = $1`,
      [family],
    )
    const events = await server.core.audit.ofFamily(defaultTenant, family)
    const comparable = events.map(
      ({ type, outcome, actor, accountId, clientId, ip, userAgent, detail, requestId }) => ({
        ...{ type, outcome, actor, accountId, clientId, ip, userAgent, detail },
        traced: typeof requestId,
      }),
    )
    // Events of the same time are in no defined order.
    return { tokens, events: comparable.toSorted((a, b) => a.type.localeCompare(b.type)) }
  }

  /** Exchanges a new code on one path and returns everything observable. */
  async function exchanged(row: Row, way: (form: Form) => Form) {
    const { client = web, asked = {}, by = client, fields = {}, before: prepare } = row
    const code = await codeFor(server, client, asked, agent)
    try {
      // The client is cached from its first request on.
      await sendForm(server, formOf('none', {}, by))
      await prepare?.(formOf(code, {}, client))
      const form = way(formOf(code, fields, by))
      const { page, seen, lookUps } = await watched(server, port, form)
      const claims = await server.core.database.query(
        `select round(extract(epoch from expires_at - spent_at)) as kept from single_use
         where kind = 'AuthorizationCode' and key = $1`,
        [hashOf(code)],
      )
      const kept = await storedFamily(familyStartedBy(hashOf(code)))
      return { seen: { ...seen, body: bodyOf(page), claims, kept }, lookUps }
    } finally {
      await row.after?.()
      backToPresent()
    }
  }
})

/** The body without values unique to one response, with JWTs decoded. */
function bodyOf(page: Page): unknown {
  const body = JSON.parse(page.body) as Record<string, unknown> & Partial<Tokens>
  const { error_id: _id, access_token: token, refresh_token, id_token: idToken, ...rest } = body
  return {
    members: Object.keys(body),
    rest,
    access: said(token),
    id: said(idToken),
    refresh: refresh_token?.length,
  }
}

/** The decoded token; of claims unique to one token, only the type. */
function said(token: string | undefined): unknown {
  if (token?.split('.').length !== 3) return token?.length
  const claims = decodeJwt(token)
  const { iat = 0, exp = 0, auth_time, jti, sid, fid, ...rest } = claims
  const own = [jti, sid, fid, auth_time].map((value) => typeof value)
  return {
    header: decodeProtectedHeader(token),
    names: Object.keys(claims),
    lives: exp - iat,
    own,
    ...rest,
  }
}
