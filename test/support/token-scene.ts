import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from './any-storage.ts'
import { boot, type TestServer } from './boot.ts'
import { prover } from './dpop.ts'
import { furnish, furnishOpaque, machine, opaque, web } from './fixtures.ts'
import { freePort } from './free-port.ts'
import type { Page } from './http-exchange.ts'
import {
  type Fields,
  post,
  type StoryClient,
  type Tokens,
  tokensFor,
  tokensIn,
} from './protocol.ts'
import { type Form, throughStack, validityStatements, watched } from './stack.ts'
import { backToPresent, travel } from './time-travel.ts'
import { createUserAgent } from './user-agent.ts'

export const sector = { ...web, client_id: 'sector', subject_type: 'pairwise' }
export const signing = { ...web, client_id: 'signing', userinfo_signed_response_alg: 'ES256' }
/** The client whose grants end. */
export const short = { ...web, client_id: 'short' }
export const reader = { ...machine, client_id: 'reader', scope: 'read' }

/** A request with a token, and whether the direct path answers it. */
export interface TokenRow {
  what: string
  plain: boolean
  at?: () => TestServer
  /** The client of the token; `web` when absent. */
  of?: StoryClient
  /** Further parameters of the authorization request. */
  asked?: Fields
  /** Selects another token than the access token. */
  token?: (tokens: Tokens) => string | Promise<string>
  /** Whether the token must be refused, or reported inactive. */
  isOver?: true
  /** Changes to the usual request. */
  form?: (token: string) => Partial<Form> | Promise<Partial<Form>>
  /** Runs before the requests: ends the token, or what it depends on. */
  before?: (tokens: Tokens) => unknown
  /** Undoes `before`. */
  after?: () => unknown
}

/** A server with access tokens of users, and a tenant whose default resource server has opaque tokens. */
export async function tokenScene() {
  const agents = new Map<TestServer, ReturnType<typeof createUserAgent>>()
  const port = String(await freePort())
  const server = await boot(anyStorage, { METRICS_PORT: port })
  const acme = { ...server, issuer: `${server.issuer}/t/acme` }
  const { core } = server
  await core.tenants.declare({ id: 'acme', name: 'Acme' })
  await furnish(server)
  await furnish(server, 'acme')
  await furnishOpaque(server)
  for (const client of [sector, signing, short, reader]) {
    await core.clients.declare(defaultTenant, client)
  }
  const declaration = { identifier: opaque, scopes: ['read'], access_token_format: 'opaque' }
  const setDefaultResource = (isSo: boolean) =>
    core.resources.declare('acme', { ...declaration, default: isSo })
  await setDefaultResource(true)

  const change = (sql: string, ...parameters: unknown[]) => core.database.execute(sql, parameters)
  const revokeInDatabase = () =>
    change(`update grants set revoked_at = now(), revoked_reason = 'aside'
      where client_id = 'short' and revoked_at is null`)
  const restoreInDatabase = () =>
    change(`update grants set revoked_at = null, revoked_reason = null
      where revoked_reason = 'aside'`)
  const setGrantClaims = (openid: object, rejected?: object) =>
    change(
      `update grants set payload = (payload - 'rejected') || $1::jsonb where client_id = 'short'`,
      JSON.stringify({ openid, rejected: rejected ? { openid: rejected } : undefined }),
    )
  const familyOf = ({ refresh_token: token = '' }: Tokens) =>
    core.families.find(defaultTenant, hashOf(token))

  async function ofMachine(client: StoryClient, resource?: string): Promise<string> {
    const fields = { grant_type: 'client_credentials', resource }
    return tokensIn(await post(server, '/token', client, fields)).access_token
  }

  /** The access token from a refresh with a DPoP proof. */
  async function bound(token: string | undefined): Promise<string> {
    const dpop = await (await prover(server))()
    const fields = { grant_type: 'refresh_token', refresh_token: token }
    return tokensIn(await post(server, '/token', web, fields, { dpop })).access_token
  }

  /** Sends a request on both paths and expects identical observable results, byte for byte. */
  async function compare(row: TokenRow, usual: (token: string) => Form): Promise<void> {
    const { at = () => server, of = web, asked = {}, plain } = row
    const agent = agents.get(at()) ?? createUserAgent()
    agents.set(at(), agent)
    const tokens = await tokensFor(at(), of, asked, agent)
    const token = (await row.token?.(tokens)) ?? tokens.access_token
    const sent = { ...usual(token), ...(await row.form?.(token)) }
    // Fills the cache of the client.
    await watched(at(), port, sent)
    try {
      await row.before?.(tokens)
      const stack = await watched(at(), port, throughStack(sent))
      const direct = await watched(at(), port, sent)
      expect(direct.seen).to.deep.equal(stack.seen)
      expect(comparableBody(direct.page)).to.deep.equal(comparableBody(stack.page))
      expect(stack.seen.status === 200 || !plain, stack.page.body).to.equal(true)
      if (row.isOver) expect(direct.page.body).to.match(/"invalid_token"|"active":false/)
      if (plain) expect(stack.lookUps, 'look-ups of the stack').to.be.at.least(1)
      if (plain) expect(direct.lookUps, 'look-ups of the stack').to.equal(0)
      // Refusals need no comparison: the deny-list may change in between.
      else if (direct.seen.status === 200) {
        expect(direct.lookUps, 'look-ups of the stack').to.be.at.least(stack.lookUps)
      }
    } finally {
      await row.after?.()
      backToPresent()
    }
  }

  return {
    server,
    /** The SQL statements of a request that check whether its tokens are valid, with the clients in the cache. */
    statementsOf: (form: Form) => validityStatements(server, form),
    setDefaultResource,
    acme,
    change,
    revokeInDatabase,
    restoreInDatabase,
    setGrantClaims,
    familyOf,
    ofMachine,
    bound,
    compare,
    /** The next sign-in starts from a new browser. */
    forgetBrowsers: () => agents.clear(),
  }
}

export type TokenScene = Awaited<ReturnType<typeof tokenScene>>

/** Ways in which a token of `short` may end, in any format. None is answered on the direct path. */
export function endedTokens(scene: () => TokenScene, asked: Fields): TokenRow[] {
  const ends: Pick<TokenRow, 'what' | 'before' | 'after'>[] = [
    {
      what: 'that was revoked',
      before: ({ access_token: token }) => post(scene().server, '/revoke', short, { token }),
    },
    {
      what: 'that has expired',
      // Less than the engine's tolerance ago.
      before: () => travel(605),
    },
    {
      what: 'whose grant was revoked without an entry in the deny-list',
      before: () => scene().revokeInDatabase(),
      after: () => scene().restoreInDatabase(),
    },
    {
      what: 'whose grant was replaced without an entry in the deny-list',
      async before() {
        await scene().revokeInDatabase()
        await scene().change(`insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
          select tenant_id, 'another', account_id, client_id, payload, created_at, updated_at
          from grants where revoked_reason = 'aside'`)
      },
      async after() {
        await scene().change(`delete from grants where id = 'another'`)
        await scene().restoreInDatabase()
      },
    },
    {
      what: 'whose grant has ended',
      async before({ id_token = '' }) {
        const { sub = '' } = decodeJwt(id_token)
        await scene().server.core.revocations.revokeGrant(defaultTenant, sub, 'short')
      },
    },
    {
      what: 'whose family has ended',
      async before(tokens) {
        const found = await scene().familyOf(tokens)
        await scene().server.core.families.end(defaultTenant, found?.familyId ?? '', 'owner')
      },
    },
    {
      what: 'of a client that is disabled',
      before: () => scene().server.core.clients.setDisabled(defaultTenant, 'short', true),
      after: () => scene().server.core.clients.setDisabled(defaultTenant, 'short', false),
    },
  ]
  return ends.map((end) => ({ ...end, plain: false, isOver: true, of: short, asked }))
}

/** The body, without what differs between identical answers. */
function comparableBody({ body, headers }: Page): object {
  const isJwt = headers.get('content-type')?.startsWith('application/jwt')
  const { iat: _iat, ...claims } = isJwt ? decodeJwt(body) : {}
  return { claims, body: isJwt ? '' : body.replace(/"error_id":"[^"]+"/, '') }
}
