import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import type { TestServer } from './boot.ts'
import { exchange, type Page } from './http-exchange.ts'
import { post, type StoryClient, tokensIn } from './protocol.ts'

/** A stream as its receiver sees it. */
export interface StreamView {
  stream_id: string
  delivery: { method: string; endpoint_url: string }
  [member: string]: unknown
}

/** Verifies an event token as a receiver must (RFC 8417, SSF 1.0 §4.1). */
export async function verifiedSet(
  issuer: string,
  audience: string,
  set: string,
): Promise<JWTPayload & { events: Record<string, unknown>; sub_id: unknown }> {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const { payload } = await jwtVerify<{ events: Record<string, unknown>; sub_id: unknown }>(
    set,
    keys,
    {
      issuer,
      audience,
      typ: 'secevent+jwt',
      algorithms: ['RS256'],
      requiredClaims: ['jti', 'iat', 'events', 'sub_id'],
    },
  )
  if ('sub' in payload || 'exp' in payload) throw new Error('neither sub nor exp may be there')
  return payload
}

export async function signalToken(
  server: TestServer,
  client: StoryClient,
  scope?: string,
): Promise<string> {
  const asked = { grant_type: 'client_credentials', resource: `${server.issuer}/ssf`, scope }
  return tokensIn(await post(server, '/token', client, asked)).access_token
}

export function askSignals(
  server: TestServer,
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<Page> {
  return exchange({
    method,
    url: new URL(path, `${server.issuer}/`),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

export interface PushReceiver {
  readonly url: string
  readonly received: Array<{ headers: IncomingHttpHeaders; set: string }>
  /** Replaces the answer; `undefined` accepts again. */
  answerWith(handler: ((response: ServerResponse) => void) | undefined): void
  stop(): Promise<void>
}

/** A receiver of pushed event tokens (RFC 8935 §2). */
export async function startPushReceiver(): Promise<PushReceiver> {
  const received: PushReceiver['received'] = []
  let handler: ((response: ServerResponse) => void) | undefined
  const server = createServer((request, response) => {
    void text(request).then((set) => {
      received.push({ headers: request.headers, set })
      if (handler) handler(response)
      else response.writeHead(202).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/events`,
    received,
    answerWith: (next) => void (handler = next),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
