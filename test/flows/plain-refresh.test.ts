import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { api, furnish, furnishOpaque, opaque, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  expectRefusal,
  type Fields,
  type Tokens,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { type Form, sendForm, throughStack, tokenForm, watched } from '../support/stack.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

// Without an ID token there is no nonce.
const all = 'orders:read orders:write offline_access'
const offline = { scope: all, resource: api, nonce: undefined }
const sector = { ...web, client_id: 'sector', subject_type: 'pairwise' }
const posting = { ...web, client_id: 'posting', token_endpoint_auth_method: 'client_secret_post' }
const unreplayed = { ...web, client_id: 'unreplayed', refresh_replay_window: 0 }
const strict = { ...web, client_id: 'strict' }
const clients = [sector, posting, unreplayed, strict]

/** A refresh with a new token, and whether the direct path answers it. */
interface Row {
  what: string
  plain: boolean
  client?: typeof web
  /** The parameters of the authorization request. */
  asked?: Fields
  /** Parameters added to the token request, or replaced in it. */
  fields?: Fields
  /** The client that presents the token. */
  by?: typeof web
  /** Changes the token, or what it depends on, before the refresh; may return the token to present. */
  before?: (tokens: Tokens) => Promise<unknown>
  /** Undoes the change. */
  after?: () => Promise<unknown>
}

describe('plain refreshes', () => {
  const agent = createUserAgent()
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

  const formOf = (fields: Fields, client: typeof web) =>
    tokenForm({ grant_type: 'refresh_token', ...fields }, client)
  const refreshForm = (tokens: Pick<Tokens, 'refresh_token'>): Form =>
    formOf({ refresh_token: tokens.refresh_token }, web)
  const change = (sql: string, ...parameters: unknown[]) =>
    server.core.database.execute(sql, parameters)

  const narrowed = (scope: string) =>
    change(
      `update grants set payload = jsonb_set(payload, '{resources}', $1) where client_id = 'web'`,
      JSON.stringify({ [api]: scope, [opaque]: 'read' }),
    )
  const ordersOffer = (scopes: string[]) =>
    server.core.resources.declare(defaultTenant, { identifier: api, name: 'Orders', scopes })
  const setDisabled = (disabled: boolean) =>
    change('update accounts set disabled_at = $1', disabled ? new Date() : null)

  const rows: Row[] = [
    { what: 'for a JWT', plain: true },
    { what: 'without offline_access', plain: true, asked: { ...offline, scope: 'orders:read' } },
    { what: 'of a pairwise client', plain: true, client: sector },
    { what: 'with the secret in the body', plain: true, client: posting },
    {
      what: 'after another refresh',
      plain: true,
      before: async (tokens) => tokensIn(await sendForm(server, refreshForm(tokens))),
    },
    {
      what: 'after part of the grant was revoked',
      plain: true,
      before: () => narrowed('orders:read'),
      after: () => narrowed(offline.scope),
    },
    {
      what: 'after its resource server lost its scopes',
      plain: true,
      asked: { ...offline, scope: 'orders:read' },
      before: () => ordersOffer([]),
      after: () => ordersOffer(['orders:read', 'orders:write']),
    },

    {
      what: 'for an ID token',
      plain: false,
      asked: { ...offline, scope: `openid ${offline.scope}` },
    },
    {
      what: 'for an opaque token',
      plain: false,
      asked: { ...offline, scope: 'read', resource: opaque },
    },
    { what: 'that narrows the scope', plain: false, fields: { scope: 'orders:read' } },
    { what: 'with a resource', plain: false, fields: { resource: api } },
    { what: 'with an unknown parameter', plain: false, fields: { x: '1' } },
    { what: 'without a token', plain: false, fields: { refresh_token: undefined } },
    { what: 'with an invalid token', plain: false, fields: { refresh_token: 'x' } },
    { what: 'with a token of another client', plain: false, by: strict },
    { what: 'of a client without a replay window', plain: true, client: unreplayed },
    {
      what: 'with an expired token',
      plain: false,
      before: async () => travel(40 * 24 * 3600),
    },
    {
      what: 'with a token whose family has ended',
      plain: false,
      before: async (tokens) =>
        server.core.families.end(defaultTenant, await familyOf(tokens), 'owner'),
    },
    {
      what: 'whose grant was revoked',
      plain: false,
      before: () => change(`update grants set revoked_at = now() where client_id = 'web'`),
      after: () => change(`update grants set revoked_at = null where client_id = 'web'`),
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
    {
      what: 'with a replaced token, within the replay window',
      plain: false,
      async before(tokens) {
        // The response contains its remaining lifetime in seconds.
        travel(0)
        await sendForm(server, refreshForm(tokens))
        return undefined
      },
    },
    {
      what: 'with a replaced token, after the replay window',
      plain: false,
      async before(tokens) {
        await sendForm(server, refreshForm(tokens))
        travel(61)
        return undefined
      },
    },
  ]

  for (const row of rows) {
    it(`${row.what}: same response as the stack${row.plain ? ', on the direct path' : ''}`, async () => {
      const stack = await refreshed(row, throughStack)
      const direct = await refreshed(row, (form) => form)
      expect(direct.seen).to.deep.equal(stack.seen)
      expect(stack.seen.status === 200 || !row.plain, JSON.stringify(stack.seen)).to.equal(true)
      expect(JSON.stringify(stack.seen.body), 'no empty scope (RFC 6749 §3.3)').not.to.include(
        '"scope":""',
      )
      expect(stack.lookUps).to.be.at.least(1)
      if (row.plain) expect(direct.lookUps, 'client look-ups of the stack').to.equal(0)
      else expect(direct.lookUps, 'client look-ups of the stack').to.be.at.least(stack.lookUps)
    })
  }

  it('get the same response when repeated on the other path (R-07)', async () => {
    const ways = [throughStack, (form: Form) => form]
    for (const [first, second] of [ways, ways.toReversed()]) {
      const form = refreshForm(await tokensFor(server, web, offline, agent))
      const answer = tokensIn(await sendForm(server, (first as typeof throughStack)(form)))
      const again = tokensIn(await sendForm(server, (second as typeof throughStack)(form)))
      expect({ ...again, expires_in: 0 }).to.deep.equal({ ...answer, expires_in: 0 })
      const next = tokensIn(await sendForm(server, refreshForm(answer)))
      travel(10)
      expectRefusal(await sendForm(server, form), 400, 'invalid_grant')
      expectRefusal(await sendForm(server, refreshForm(next)), 400, 'invalid_grant')
    }
  })

  it('at the same time on both paths: one successor (K-41, C26)', async () => {
    const tokens = await tokensFor(server, web, offline, agent)
    const form = refreshForm(tokens)
    const family = await familyOf(tokens)
    const asked = Array.from({ length: 8 }, (_, n) => (n % 2 ? form : throughStack(form)))
    const answers = await Promise.all(asked.map((each) => sendForm(server, each)))
    const handles = answers.map((page) => tokensIn(page).refresh_token)
    expect(new Set(handles).size).to.equal(1)
    expect(await stepsOf(family)).to.have.length(2)
  })

  it('with a forged token cost one query, without a lock or a transaction; only the stored row decides (ADR 0009)', async () => {
    const { refresh_token: token = '', ...tokens } = await tokensFor(server, web, offline, agent)
    const forged = `${token.slice(0, 80)}${token[80] === 'A' ? 'B' : 'A'}${token.slice(81)}`
    const { families } = server.core
    const { find, findLocked } = families
    const asked: string[] = []
    families.find = (...given) => (asked.push('find'), find(...given))
    families.findLocked = (...given) => (asked.push('findLocked'), findLocked(...given))
    try {
      const refused = await sendForm(server, refreshForm({ refresh_token: forged }))
      expectRefusal(refused, 400, 'invalid_grant')
      expect(asked).to.deep.equal(['find'])
      await change(
        'update refresh_tokens set token_hash = $1 where token_hash = $2',
        ...[forged, token].map(hashOf),
      )
      tokensIn(await sendForm(server, refreshForm({ ...tokens, refresh_token: forged })))
      expect(asked).to.deep.equal(['find', 'find', 'findLocked'])
    } finally {
      Object.assign(families, { find, findLocked })
    }
  })

  async function familyOf({ refresh_token: token }: Tokens): Promise<string> {
    const stored = await server.core.families.find(defaultTenant, hashOf(token as string))
    return stored?.familyId ?? ''
  }

  /** The stored tokens of a family, without values unique to one token. */
  async function stepsOf(family: string): Promise<object[]> {
    const found = await server.core.database.query(
      `select payload - 'iat' - 'exp' - 'iiat' - 'authTime' as payload, parent_hash is null as first, t.ip, t.user_agent,
         consumed_at is not null as consumed, answer is not null as answered, replays, ended_reason,
         (payload->>'exp')::int - (payload->>'iat')::int as lives,
         round(extract(epoch from t.expires_at - issued_at)) as kept
       from refresh_tokens t join families f on f.tenant_id = t.tenant_id and f.id = t.family_id
       where f.id = $1 order by issued_at, consumed_at nulls last`,
      [family],
    )
    return found
  }

  /** Refreshes with a new token on one path and returns everything observable. */
  async function refreshed(row: Row, way: (form: Form) => Form) {
    const { client = web, asked = offline, by = client, fields, before: prepare } = row
    const tokens = await tokensFor(server, client, asked, agent)
    const family = await familyOf(tokens)
    try {
      const { refresh_token = tokens.refresh_token } = ((await prepare?.(tokens)) ?? {}) as Tokens
      // The client is cached from its first request on.
      await sendForm(server, formOf({ refresh_token: 'none' }, by))
      const form = way(formOf({ refresh_token, ...fields }, by))
      const { page, seen, lookUps } = await watched(server, port, form)
      const events = await server.core.audit.ofFamily(defaultTenant, family)
      const kept = {
        rows: await stepsOf(family),
        // Events of the same time are in no defined order.
        events: events.map(({ type }) => type).toSorted(),
      }
      return { seen: { ...seen, body: bodyOf(page), ...kept }, lookUps }
    } finally {
      await row.after?.()
      backToPresent()
    }
  }
})

/** The body without values unique to one response, with a JWT decoded. */
function bodyOf(page: Page): unknown {
  const body = JSON.parse(page.body) as Record<string, string>
  const { error_id: _id, access_token: token = '', refresh_token, id_token, ...rest } = body
  const isJwt = token.split('.').length === 3
  const { iat = 0, exp = 0, jti = '', auth_time, fid, ...claims } = isJwt ? decodeJwt(token) : {}
  const said = isJwt && { ...decodeProtectedHeader(token), names: Object.keys(decodeJwt(token)) }
  const lengths = [jti.length, refresh_token?.length, typeof id_token, typeof auth_time, typeof fid]
  return { members: Object.keys(body), rest, said, claims, lives: exp - iat, lengths }
}
