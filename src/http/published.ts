import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Log } from '../log.ts'
import { etagOf, isNamed } from './etag.ts'
import { requestIdOf } from './request.ts'
import { withoutQuery } from './spelling.ts'

/**
 * The key set and discovery, for anybody to fetch and to keep for a while (R-09, R-11, K-23, K-29). The engine
 * composes each document once, for the first who asks; its bytes then serve everybody for as long as this issuer
 * stands, which is built anew when its keys change. Nothing of a request reaches a document: its host and scheme are
 * the issuer's by then (http/edge.ts).
 */
export interface Published {
  /**
   * Answers GET and HEAD from memory, ahead of all middleware: what that checks cannot make a difference here.
   * @returns false when it has nothing to say
   */
  answer(request: IncomingMessage, response: ServerResponse): boolean
  /** Keeps what the lines below compose. */
  keep: Middleware
}

/** A document as it is sent, and its answers, but for the id of the request. */
interface Document {
  /** Its bytes, one character each: text leaves in one piece with the header. */
  body: string
  etag: string
  /** Names and values in turn: nothing of them is made again for a request. */
  full: readonly string[]
  notModified: readonly string[]
}

/**
 * @param paths which addresses
 * @param options maxAge in seconds; headers: those of every answer
 */
export function createPublished(
  paths: string[],
  { log, maxAge, headers }: { log: Log; maxAge: number; headers: Record<string, string> },
): Published {
  const documents = new Map<string, Document>()
  const common = {
    ...headers,
    'Cache-Control': `public, max-age=${maxAge}`,
    'Cross-Origin-Resource-Policy': 'cross-origin',
    // The same for every origin, so that a shared cache keeps one copy.
    'Access-Control-Allow-Origin': '*',
  }

  function compose(body: Buffer, type: string): Document {
    const etag = etagOf(body)
    const notModified = Object.entries({ ...common, ETag: etag }).flat()
    const full = [...notModified, 'Content-Type', type, 'Content-Length', String(body.length)]
    return { body: body.toString('latin1'), etag, full, notModified }
  }

  function send(
    request: IncomingMessage,
    response: ServerResponse,
    document: Document,
    id: string,
  ) {
    const { full, notModified, body, etag } = document
    const ifNoneMatch = request.headers['if-none-match']
    const known = ifNoneMatch !== undefined && isNamed(ifNoneMatch, etag)
    response.writeHead(known ? 304 : 200, [...(known ? notModified : full), 'Request-Id', id])
    if (known || request.method === 'HEAD') response.end()
    else response.end(body, 'latin1')
  }

  return {
    answer(request, response) {
      const { url = '', method, headers: received } = request
      if (method !== 'GET' && method !== 'HEAD') return false
      const path = withoutQuery(url)
      const document = documents.get(path)
      if (!document) return false
      const id = randomUUID()
      send(request, response, document, id)
      if (log.isLevelEnabled('debug')) {
        const { statusCode: status } = response
        const ip = received['x-forwarded-for']
        log.debug({ request_id: id, method, path, status, ip }, 'request')
      }
      return true
    },
    async keep(ctx, next) {
      await next()
      const isRead = ctx.method === 'GET' || ctx.method === 'HEAD'
      if (!isRead || ctx.status !== 200 || !paths.includes(ctx.path)) return
      const body = Buffer.from(JSON.stringify(ctx.body))
      const document = compose(body, ctx.response.get('Content-Type'))
      documents.set(ctx.path, document)
      // The first answer is like all others.
      for (const name of ctx.res.getHeaderNames()) ctx.res.removeHeader(name)
      ctx.respond = false
      send(ctx.req, ctx.res, document, requestIdOf(ctx))
    },
  }
}
