import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** A relying party that receives back-channel logouts (OpenID Connect Back-Channel Logout 1.0). */
export interface LogoutReceiver {
  /** Its `backchannel_logout_uri`. */
  readonly uri: string
  /** Received tokens in order; the claims are verified, or those of a refused token. */
  readonly received: readonly Received[]
  /** Number of accepted connections. */
  connections(): number
  /** Waits for so many verified tokens, and for no more than that. */
  waitForTokens(count: number): Promise<JWTPayload[]>
  /** From now on the handler answers instead of the relying party; `undefined` lets it answer again. */
  answerWith(handler: Handler | undefined): void
  /** Away: nobody listens, until `start`. */
  stop(): Promise<void>
  start(): Promise<void>
}

type Handler = (response: ServerResponse, attempt: number) => void

interface Received {
  readonly at: number
  readonly token: string
  readonly claims: JWTPayload
  /** Why it was refused. */
  readonly refused?: string
}

export interface Trust {
  issuer: string
  clientId: string
  /** The client's `id_token_signed_response_alg`. */
  alg?: string
  /** Where the keys are, when not at the issuer. */
  keysAt?: () => string
}

const event = 'http://schemas.openid.net/event/backchannel-logout'

export async function startLogoutReceiver(trust: Trust): Promise<LogoutReceiver> {
  const received: Received[] = []
  const sockets = new Set<Socket>()
  let handler: Handler | undefined
  let connections = 0
  let attempts = 0
  // Reserved, so that no one else gets it while this is stopped.
  const port = await freePort()

  /** OpenID Connect Back-Channel Logout §2.6, step by step. @throws Error */
  async function verified(token: string): Promise<JWTPayload> {
    const keys = createRemoteJWKSet(new URL(`${trust.keysAt?.() ?? trust.issuer}/jwks`))
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: trust.issuer,
      audience: trust.clientId,
      algorithms: [trust.alg ?? 'RS256'],
      typ: 'logout+jwt',
      requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'events'],
    })
    if (protectedHeader.alg === 'none') throw new Error('not signed')
    if (payload.sub === undefined && payload['sid'] === undefined)
      throw new Error('neither sub nor sid')
    const events = payload['events'] as Record<string, unknown> | null
    if (typeof events?.[event] !== 'object') throw new Error('no back-channel logout event')
    if ('nonce' in payload) throw new Error('a nonce is present')
    if ((payload.exp as number) - (payload.iat as number) > 120)
      throw new Error('the lifetime is over 120 s')
    return payload
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    attempts++
    const body = await text(request)
    const token = new URLSearchParams(body).get('logout_token') ?? ''
    const sound =
      request.method === 'POST' &&
      request.headers['content-type'] === 'application/x-www-form-urlencoded'
    try {
      if (!sound) throw new Error('not a POST of a form')
      const claims = await verified(token)
      received.push({ at: performance.now(), token, claims })
      if (handler) return handler(response, attempts)
      response.writeHead(200, { 'cache-control': 'no-store' }).end()
    } catch (error) {
      const refused = (error as Error).message
      received.push({ at: performance.now(), token, claims: decodeJwt(token), refused })
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: 'invalid_request', error_description: refused }))
    }
  }

  let server = makeServer()
  function makeServer() {
    const fresh = createServer((request, response) => void answer(request, response))
    fresh.on('connection', (socket) => {
      connections++
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    return fresh
  }
  async function start(): Promise<void> {
    server = makeServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  }
  await start()

  return {
    uri: `http://localhost:${port}/backchannel-logout`,
    received,
    connections: () => connections,
    async waitForTokens(count) {
      const tokens = () => received.filter(({ refused }) => refused === undefined)
      await eventually(`${count} logout tokens`, () => tokens().length >= count)
      const faults = received.flatMap(({ refused }) => refused ?? [])
      if (faults.length > 0) throw new Error(`tokens were refused: ${faults.join('; ')}`)
      if (tokens().length > count)
        throw new Error(`expected ${count} tokens, got ${tokens().length}`)
      return tokens().map(({ claims }) => claims)
    },
    answerWith(chosen) {
      handler = chosen
    },
    start,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function text(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}
