import { request } from 'node:http'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import type { TestServer } from './boot.ts'
import { api } from './fixtures.ts'
import { exchange, type Page } from './http-exchange.ts'
import { encode, type Fields, post, type StoryClient, tokensIn } from './protocol.ts'

type Revoked = Record<string, Record<string, [number | null, number]>>

/** The claims of a feed document. */
export interface RevocationClaims extends JWTPayload {
  as_of: number
  cursor: string
  since?: string
  revoked: Revoked
}

/** A token of a client for the feed. */
export async function feedToken(
  server: TestServer,
  client: StoryClient,
  fields: Fields = {},
): Promise<string> {
  const resource = `${server.issuer}/revocations`
  const asked = { grant_type: 'client_credentials', resource, ...fields }
  return tokensIn(await post(server, '/token', client, asked)).access_token
}

export function askRevocations(
  server: TestServer,
  token: string | undefined,
  fields: Fields = { audience: api },
  headers: Readonly<Record<string, string>> = {},
): Promise<Page> {
  return exchange({
    method: 'GET',
    url: new URL(`${server.issuer}/revocations?${encode(fields)}`),
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    identity: server.identity,
  })
}

/** Verifies a document (type, issuer, audience, signature by the issuer's key set). @returns its claims */
export async function verified(
  { issuer }: Pick<TestServer, 'issuer'>,
  jws: string,
  audience = api,
): Promise<RevocationClaims> {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const { payload } = await jwtVerify<RevocationClaims>(jws, keys, {
    issuer,
    audience,
    typ: 'revocations+jwt',
    requiredClaims: ['iat', 'exp', 'as_of', 'cursor', 'revoked'],
    currentDate: new Date(Date.now()),
  })
  return payload
}

/** The feed's document, verified. */
export async function revocations(
  server: TestServer,
  token: string,
  fields: Fields = {},
  audience = api,
): Promise<RevocationClaims> {
  const page = await askRevocations(server, token, { audience, ...fields })
  if (page.status !== 200) throw new Error(`${page.status} ${page.body}`)
  return verified(server, page.body, audience)
}

/** Whether a list denies a token with these claims, as a verifier decides it. */
export function denies(revoked: Revoked, claims: JWTPayload): boolean {
  return Object.entries(revoked).some(([name, values]) => {
    const value = claims[name]
    const entry = typeof value === 'string' && Object.hasOwn(values, value) && values[value]
    return Array.isArray(entry) && (entry[0] === null || (claims.iat as number) <= entry[0])
  })
}

export interface FeedEvent {
  event: string
  id: string
  data: string
  /** When it arrived; milliseconds, monotonic. */
  at: number
}

export interface FeedStream {
  readonly status: number
  readonly headers: Record<string, unknown>
  /** All that came until now. */
  readonly events: FeedEvent[]
  readonly body: () => string
  readonly ended: () => boolean
  close(): void
}

/** Opens the stream; the answer has begun by then. */
export function openStream(
  server: Pick<TestServer, 'issuer'>,
  token: string,
  fields: Fields = { audience: api },
  headers: Readonly<Record<string, string>> = {},
): Promise<FeedStream> {
  const { promise, resolve, reject } = Promise.withResolvers<FeedStream>()
  const url = new URL(`${server.issuer}/revocations/stream?${encode(fields)}`)
  const asking = request(url, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...headers },
    agent: false,
  })
  asking.once('error', reject)
  asking.once('response', (response) => {
    const events: FeedEvent[] = []
    let text = ''
    let whole = ''
    let isOver = false
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      whole += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        const fieldsOf = Object.fromEntries(
          lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]),
        )
        const { event, id = '', data = '' } = fieldsOf
        if (event) events.push({ event, id, data, at: performance.now() })
      }
    })
    response.once('close', () => {
      isOver = true
    })
    response.on('error', () => undefined)
    resolve({
      status: response.statusCode ?? 0,
      headers: response.headers,
      events,
      body: () => whole,
      ended: () => isOver,
      close: () => void asking.destroy(),
    })
  })
  asking.end()
  return promise
}
