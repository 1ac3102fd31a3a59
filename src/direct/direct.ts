/**
 * The hot requests in their plainest form, answered ahead of the engine's stack. Only success is answered here: any
 * other request goes to the stack unchanged, before anything was written
 * ([ADR 0026](../../docs/adr/0026-plain-requests-are-answered-ahead-of-the-engine.md)).
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Presenter } from '../families/replay.ts'
import { securityHeadersOf } from '../http/headers.ts'
import { logRequest, noteArrival } from '../http/request.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import { routes } from '../oidc/routes.ts'
import { isRefusal, type SecretClient, type SecretClients } from '../oidc/secret-clients.ts'
import { userAgentIn, withOrigin } from '../origin.ts'
import { present } from '../present.ts'
import { currentTracer } from '../tracing/trace.ts'
import { readBody } from './body.ts'
import { plainBearer, plainLength } from './head.ts'
import { credentialsIn, type Parameters, parametersIn } from './parameters.ts'

const failed = new WeakMap<IncomingMessage, Error>()

/** Makes the stack report an error that was met here, in place of waiting for the same a second time. */
export const notAskedTwice: Middleware = (ctx, next) => {
  const met = failed.get(ctx.req)
  if (met) throw met
  return next()
}

/** A plain request of an authenticated client. */
export interface PlainRequest {
  /** Each came once, is not empty, and is visible ASCII. */
  parameters: Parameters
  caller: SecretClient
  /** Who sent it. */
  issuedTo: Presenter
}

/** Answers one kind of plain request. */
export interface PlainHandler {
  /** The parameters that it accepts. Any other, except client credentials, makes a request not plain. */
  parameters: readonly string[]
  /**
   * Makes the body of the answer (200, JSON). Returns undefined to hand the request over, only while nothing was
   * written. The stack reports errors.
   */
  answer(request: PlainRequest): Promise<object | undefined>
}

/** The handlers of plain requests. */
export interface PlainHandlers {
  introspection: PlainHandler
  /** By `grant_type`. */
  token: Readonly<Record<string, PlainHandler>>
  /** By an access token; the result is as in `PlainHandler`. */
  userinfo(token: string): Promise<object | undefined>
}

type Sender = Presenter & { ip: string }
type Work = (sender: Sender) => Promise<object | undefined>

/** @returns takes a request, or leaves it alone (false); one that it takes is answered, or handed over unchanged */
export function createDirect(
  context: IssuerContext,
  { clients, handlers }: { clients: SecretClients; handlers: PlainHandlers },
): (request: IncomingMessage, response: ServerResponse, handOver: () => void) => boolean {
  const { config, log, signing, issuer } = context
  const most = Math.min(config.bodyLimit, mostBytes)
  const isHttps = issuer.startsWith('https:')
  const headers = new Map([
    [routes.introspection, headersOf(isHttps, ['WWW-Authenticate'])],
    [routes.token, headersOf(isHttps, ['DPoP-Nonce', 'WWW-Authenticate'])],
    [routes.userinfo, headersOf(isHttps, ['DPoP-Nonce', 'WWW-Authenticate'])],
  ])
  const grants = new Map(Object.entries(handlers.token).map((entry) => [entry[0], known(entry[1])]))
  const introspection = known(handlers.introspection)

  function handlerOf(url: string | undefined, { grant_type: grantType }: Parameters) {
    if (url === routes.introspection) return introspection
    return grantType === undefined ? undefined : grants.get(grantType)
  }

  async function answerOf(
    request: IncomingMessage,
    length: number,
    sender: Sender,
  ): Promise<object | undefined> {
    const body = await readBody(request, length)
    if (!body) return undefined
    // Answers may be signed, and stale keys must not sign.
    signing.assertFresh()
    const parameters = parametersIn(body)
    if (!parameters) return undefined
    const handler = handlerOf(request.url, parameters)
    if (!handler?.knows(parameters)) return undefined
    const credentials = credentialsIn(parameters, request.headers.authorization)
    const caller = credentials && (await clients.authenticate(credentials, sender.ip))
    return caller && handler.answer({ parameters, caller, issuedTo: sender })
  }

  /** The work that makes the answer; undefined if the headers show that the request is not plain. */
  function workOf(request: IncomingMessage): Work | undefined {
    if (request.url === routes.userinfo) {
      const token = plainBearer(request)
      return token === undefined ? undefined : () => handlers.userinfo(token)
    }
    if (!headers.has(request.url ?? '')) return undefined
    const length = plainLength(request, most)
    return length === undefined ? undefined : (sender) => answerOf(request, length, sender)
  }

  async function attempt(request: IncomingMessage, response: ServerResponse, work: Work) {
    const began = performance.now()
    noteArrival(request, began)
    const id = randomUUID()
    const ip = String(request.headers['x-forwarded-for'])
    const userAgent = userAgentIn(request.headers['user-agent'])
    const sender = { ip, ...present({ userAgent }) }
    const answer = await withOrigin({ requestId: id, ...sender }, () => work(sender))
    if (!answer) return false
    // Traces read this header.
    if (currentTracer()) response.setHeader('Request-Id', id)
    send(response, [...(headers.get(request.url ?? '') ?? []), 'Request-Id', id], answer)
    const { method = '', url: path = '' } = request
    logRequest(log, { id, method, path, status: 200, ip, began })
    return true
  }

  return (request, response, handOver) => {
    const work = workOf(request)
    if (!work) return false
    void attempt(request, response, work)
      .catch((error: Error) => {
        // The engine will refuse it again, with its own answer.
        if (!isRefusal(error)) failed.set(request, error)
        return response.headersSent
      })
      .then((isAnswered) => isAnswered || handOver())
    return true
  }
}

/** Longer than any plain request; the engine accepts more. */
const mostBytes = 32_768

const authenticating = ['client_id', 'client_secret']

function known(handler: PlainHandler) {
  const names = new Set([...handler.parameters, ...authenticating])
  return {
    answer: handler.answer,
    knows(parameters: Parameters): boolean {
      for (const name in parameters) if (!names.has(name)) return false
      return true
    },
  }
}

/** The headers of the stack's answer, as alternating names and values. */
function headersOf(isHttps: boolean, exposed: string[]): string[] {
  return Object.entries({
    ...securityHeadersOf({ isHttps }),
    Vary: 'Origin',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': exposed.join(','),
    'Content-Type': 'application/json; charset=utf-8',
  }).flat()
}

function send(response: ServerResponse, headers: string[], answer: object): void {
  const body = JSON.stringify(answer)
  response.writeHead(200, [...headers, 'Content-Length', String(Buffer.byteLength(body))])
  response.end(body)
}
