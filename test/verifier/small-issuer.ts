import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

type Revoked = Record<string, Record<string, [number | null, number]>>

/**
 * An issuer controlled by the test, which can do what a real one never does: sign anything, disappear, replay, and
 * forget keys.
 */
export interface SmallIssuer {
  url: string
  audience: string
  /** The number of requests, by path. */
  asked: Record<string, number>
  /** The last request to a path. */
  last: Record<string, { headers: IncomingMessage['headers']; url: string; body: string }>
  /** A good access token, except for what `claims` and `header` change. */
  token(claims?: object, header?: object): Promise<string>
  /** A document of the feed, signed like a real one. */
  document(revoked?: Revoked, claims?: object, header?: object): Promise<string>
  /** Overrides the answer for a path; undefined restores it. */
  answers: Record<
    string,
    ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  >
  /** Replaces the key; with `keep`, the old one stays published. */
  rotate(keep: boolean): Promise<void>
  /** Sends an event to every open stream. */
  push(event: string): void
  streams(): number
  /** Breaks every open stream. */
  cut(): void
  stop(): Promise<void>
}

export const now = () => Math.floor(Date.now() / 1000)
let serial = 0

export async function startSmallIssuer(): Promise<SmallIssuer> {
  const audience = 'https://orders.example.com'
  const make = async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const kid = `key-${serial++}`
    return {
      kid,
      privateKey,
      jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' },
    }
  }
  let key = await make()
  let published: JWK[] = [key.jwk]
  const streams = new Set<ServerResponse>()
  const json = (response: ServerResponse, body: unknown, status = 200) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

  const issuer: SmallIssuer = {
    url: '',
    audience,
    asked: {},
    last: {},
    answers: {},
    token: (claims = {}, header = {}) =>
      new SignJWT({
        iss: issuer.url,
        aud: audience,
        sub: 'alice',
        client_id: 'web',
        jti: randomUUID(),
        iat: now(),
        exp: now() + 600,
        scope: 'orders:read',
        tenant_id: 'default',
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header })
        .sign(key.privateKey),
    document: (revoked = {}, claims = {}, header = {}) =>
      new SignJWT({
        iss: issuer.url,
        aud: audience,
        iat: now(),
        exp: now() + 60,
        as_of: Date.now(),
        cursor: `c${serial++}`,
        revoked,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'revocations+jwt', kid: key.kid, ...header })
        .sign(key.privateKey),
    async rotate(keep) {
      key = await make()
      published = keep ? [...published, key.jwk] : [key.jwk]
    },
    push(event) {
      for (const each of streams) each.write(event)
    },
    streams: () => streams.size,
    cut() {
      for (const each of streams) each.destroy()
    },
    async stop() {
      issuer.cut()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  const usual: Record<string, (request: IncomingMessage, response: ServerResponse) => unknown> = {
    '/.well-known/openid-configuration': (_, response) =>
      json(response, {
        issuer: issuer.url,
        jwks_uri: `${issuer.url}/jwks`,
        token_endpoint: `${issuer.url}/token`,
        introspection_endpoint: `${issuer.url}/introspect`,
        revocation_feed_endpoint: `${issuer.url}/revocations`,
        revocation_feed_stream_endpoint: `${issuer.url}/revocations/stream`,
      }),
    '/jwks': (_, response) => json(response, { keys: published }),
    '/token': (_, response) => json(response, { access_token: 'reader', expires_in: 600 }),
    '/introspect': (_, response) => json(response, { active: true }),
    '/revocations': async (_, response) => response.end(await issuer.document()),
    '/revocations/stream': async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      streams.add(response)
      response.once('close', () => streams.delete(response))
      response.write(eventOf(await issuer.document()))
    },
  }

  const server = createServer((request, response) => void serve(request, response))
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ''] = (request.url ?? '').split('?')
    const body = await text(request)
    issuer.asked[path] = (issuer.asked[path] ?? 0) + 1
    issuer.last[path] = { headers: request.headers, url: request.url ?? '', body }
    const answer = issuer.answers[path] ?? usual[path]
    if (answer) await answer(request, response)
    else response.writeHead(404).end()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return issuer
}

/** Formats a document as a server-sent event. */
export function eventOf(document: string): string {
  return `event: revocations\nid: x\ndata: ${document}\n\n`
}
