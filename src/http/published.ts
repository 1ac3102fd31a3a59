import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Log } from '../log.ts'
import { etagOf, isNamed } from './etag.ts'
import { requestIdOf } from './request.ts'
import { withoutQuery } from './spelling.ts'

/**
 * The key set and discovery documents, cacheable by anyone (R-09, R-11, K-23, K-29). The engine composes each document
 * once, for the first request. The bytes then serve all requests for as long as this issuer instance lives; it is
 * rebuilt when its keys change. Nothing of a request can influence a document: its host and scheme are the issuer's by
 * then (http/edge.ts).
 */
export interface Published {
  /**
   * Answers GET and HEAD from memory, before all middleware, whose checks make no difference here.
   * @returns false when there is no such document
   */
  answer(request: IncomingMessage, response: ServerResponse): boolean
  /** Middleware that stores the documents which the engine composes. */
  keep: Middleware
}

/** A document with its prepared answers, all but the request id. */
interface Document {
  /** Its bytes as latin1, one character each: a string is sent in one write with the header. */
  body: string
  etag: string
  /** Alternating header names and values, prepared once. */
  full: readonly string[]
  notModified: readonly string[]
}

/**
 * @param paths paths of the documents
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
    // Not the caller's origin, so that a shared cache keeps one copy.
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
      // The first answer must be identical to all later ones.
      for (const name of ctx.res.getHeaderNames()) ctx.res.removeHeader(name)
      ctx.respond = false
      send(ctx.req, ctx.res, document, requestIdOf(ctx))
    },
  }
}
