import { createHash } from 'node:crypto'
import { expect } from 'chai'
import type { TestServer } from './boot.ts'
import { alice, callback } from './fixtures.ts'
import { exchange, type Page } from './http-exchange.ts'
import { createUserAgent, type UserAgent } from './user-agent.ts'

/** A client as tests use it. */
export interface StoryClient {
  readonly client_id: string
  readonly client_secret?: string
  readonly token_endpoint_auth_method?: string
}

/** Additional parameters; `undefined` removes a default one, a list repeats it. */
export type Fields = Readonly<Record<string, string | readonly string[] | undefined>>

/** A token response (RFC 6749 §5.1), unchecked. */
export interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
  readonly id_token?: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope?: string
}

/** The PKCE verifier of every request that does not bring its own. */
export const verifier = 'the-verifier-of-all-stories-that-need-only-one'

/** RFC 7636 §4.2, S256. */
export function challengeOf(codeVerifier: string): string {
  return createHash('sha256').update(codeVerifier).digest('base64url')
}

/** As a form or a query. */
export function encode(fields: Fields): string {
  const encoded = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) {
    for (const each of value === undefined ? [] : [value].flat()) encoded.append(name, each)
  }
  return encoded.toString()
}

/** A valid authorization request, changed by `fields`. */
export function authorizeUrl(server: TestServer, client: StoryClient, fields: Fields = {}): URL {
  const usual = {
    client_id: client.client_id,
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    state: 'the-state',
    nonce: 'the-nonce',
  }
  return new URL(`${server.issuer}/authorize?${encode({ ...usual, ...fields })}`)
}

/** Alice signs in and allows everything. @returns the redirect to the client */
export function signIn(
  server: TestServer,
  client: StoryClient,
  fields: Fields = {},
  agent: UserAgent = createUserAgent(),
): Promise<URL> {
  return agent.walk(authorizeUrl(server, client, fields), {
    username: alice.email,
    password: alice.password,
  })
}

/** The same, down to the code. */
export async function codeFor(...story: Parameters<typeof signIn>): Promise<string> {
  const returned = await signIn(...story)
  const code = returned.searchParams.get('code')
  if (code === null) throw new Error(`no code: ${returned.href}`)
  return code
}

export function basic({ client_id, client_secret = '' }: StoryClient): string {
  const pair = `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

/** Posts a form; a client authenticates by its registered method. */
export function post(
  server: TestServer,
  path: string,
  client: StoryClient | undefined,
  fields: Fields,
  headers: Readonly<Record<string, string>> = {},
): Promise<Page> {
  const usesBasic =
    client?.client_secret !== undefined &&
    client.token_endpoint_auth_method !== 'client_secret_post'
  const inBody = { client_id: client?.client_id, client_secret: client?.client_secret }
  return exchange({
    method: 'POST',
    url: new URL(server.issuer + path),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(usesBasic ? { authorization: basic(client) } : {}),
      ...headers,
    },
    body: encode({ ...(usesBasic ? {} : inBody), ...fields }),
    identity: server.identity,
  })
}

/** Presents a code at the token endpoint. */
export function redeem(
  server: TestServer,
  client: StoryClient,
  code: string,
  fields: Fields = {},
): Promise<Page> {
  return post(server, '/token', client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: callback,
    code_verifier: verifier,
    ...fields,
  })
}

/** Presents a refresh token at the token endpoint. */
export function refresh(
  server: TestServer,
  client: StoryClient,
  tokens: Pick<Tokens, 'refresh_token'>,
  fields: Fields = {},
): Promise<Page> {
  return post(server, '/token', client, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh_token,
    ...fields,
  })
}

/** A token response that must be a success. */
export function tokensIn(page: Page): Tokens {
  expect(page.status, page.body).to.equal(200)
  return page.json() as Tokens
}

/** The whole way from an authorization request to tokens. */
export async function tokensFor(...story: Parameters<typeof signIn>): Promise<Tokens> {
  const [server, client, fields] = story
  const redirectUri = fields?.['redirect_uri']
  return tokensIn(
    await redeem(server, client, await codeFor(...story), {
      ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri }),
    }),
  )
}

/** The introspection response for a client; the request itself must succeed. */
export async function introspect(
  server: TestServer,
  as: StoryClient,
  token: string | undefined,
  fields: Fields = {},
): Promise<Record<string, unknown>> {
  const page = await post(server, '/introspect', as, { token, ...fields })
  expect(page.status, page.body).to.equal(200)
  return page.json() as Record<string, unknown>
}

/** A request to userinfo with a bearer token (RFC 6750 §2.1). */
export function userinfo(server: TestServer, token: string): Promise<Page> {
  return exchange({
    method: 'GET',
    url: new URL(`${server.issuer}/userinfo`),
    headers: { authorization: `Bearer ${token}` },
    identity: server.identity,
  })
}

/** Expects an OAuth error response: status, code, JSON, never cached (K-25, P-042). */
export function expectRefusal(page: Page, status: number, error: string): void {
  expect(page.headers.get('content-type'), page.body).to.match(/^application\/json/)
  expect({ status: page.status, error: (page.json() as { error: string }).error }).to.deep.equal({
    status,
    error,
  })
  expect(page.headers.get('cache-control')).to.equal('no-store')
  expect((page.json() as { error_description: string }).error_description).to.match(
    /^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/,
  )
}

/** Expects an authorization error redirected to the client, with `state` and `iss` (P-011, P-012). */
export function expectReturned(page: Pick<Page, 'location' | 'status' | 'body'>, error: string) {
  const { location } = page
  if (location === undefined)
    throw new Error(`no redirect to the client (${page.status}): ${page.body}`)
  expect(location.origin + location.pathname).to.equal(callback)
  expect(location.searchParams.get('error'), location.search).to.equal(error)
  expect(location.searchParams.get('iss')).to.be.a('string')
  expect(location.searchParams.get('state')).to.equal('the-state')
  expect(location.searchParams.has('code')).to.equal(false)
}

/** Expects an error page without a redirect or link to another site (P-003). */
export function expectErrorPage(page: Page, status = 400): void {
  expect(page.status, page.url.href).to.equal(status)
  expect(page.headers.has('location'), page.headers.get('location') ?? '').to.equal(false)
  expect(page.headers.get('content-type')).to.match(/^text\/html/)
}
