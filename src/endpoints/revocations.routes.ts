import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { Context, Middleware } from 'koa'
import { z } from 'zod'
import { DomainError } from '../errors.ts'
import type { RevocationDocument } from '../feed/revocation-feed.ts'
import { challenge } from '../http/challenge.ts'
import { checked, readQuery } from '../http/checked.ts'
import { isNamed } from '../http/etag.ts'
import { type ApiParts, createTokenCheck, type Presented } from '../oidc/presented-token.ts'
import type { ResourceServer } from '../resources/resource-server.ts'
import {
  revocationsPath,
  revocationsScope,
  revocationsStreamPath,
} from '../resources/revocations-resource.ts'
import { createOpenStreams, sendEvents } from './event-stream.ts'

export const revocationsMethods = {
  [revocationsPath]: ['GET'],
  [revocationsStreamPath]: ['GET'],
}

/** The endpoints of the feed in discovery. */
export function revocationsMetadata(issuer: string): Record<string, string> {
  return {
    revocation_feed_endpoint: issuer + revocationsPath,
    revocation_feed_stream_endpoint: issuer + revocationsStreamPath,
  }
}

const query = z.strictObject({
  audience: z.string().min(1).max(500).describe('The identifier of a resource server'),
  since: z.string().max(100).optional().describe('`cursor` of the previous document'),
})

/** Streams of one client at one node. */
const mostStreams = 100
const openStreams = createOpenStreams(mostStreams)

const compress = { br: promisify(brotliCompress), gzip: promisify(gzip) }
/** Fast rather than small, as a document is reused for a second only. */
const options = {
  br: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
  gzip: { level: 5 },
}
/** Bytes; smaller documents fit a packet or two. */
const worthCompressing = 1400
const compressed = new WeakMap<RevocationDocument, Map<string, Promise<Buffer>>>()

/** A document in a content coding, compressed once. */
function coded(document: RevocationDocument, coding: 'br' | 'gzip'): Promise<Buffer> {
  const codings = compressed.get(document) ?? new Map<string, Promise<Buffer>>()
  compressed.set(document, codings)
  const made = codings.get(coding) ?? compress[coding](document.jws, options[coding])
  codings.set(coding, made)
  return made
}

/**
 * The revocation feed (docs/revocation-feed.md).
 *
 * | what                                                   | refused with                                          |
 * |--------------------------------------------------------|-------------------------------------------------------|
 * | the access token (presented-token.ts)                  | 401; 429 for too many of a network that are wrong     |
 * | the caller has not asked too often                     | 429                                                   |
 * | its scope                                              | 403 `scope_insufficient`                              |
 * | `audience` and `since`                                 | 400                                                   |
 * | the caller may introspect the tokens of this audience  | 403 `audience_foreign`, whether there is one or not   |
 * | this node knows what was revoked                       | 503 `deny_list_stale`                                 |
 */
export function revocationRoutes(parts: ApiParts): Middleware {
  const { context, structured } = parts
  const { tenant, limiter, resources, clients, clock } = context
  // APIs that verify its tokens offline learn here that the tenant was disabled, so that denial must not lock them out.
  const despite = 'tenant'
  const checkToken = createTokenCheck(parts, {
    endpoint: 'revocations',
    audience: context.issuer + revocationsPath,
    limit: 'feed_network',
    despite,
  })

  async function caller(ctx: Context): Promise<Presented> {
    const presented = await checkToken(ctx)
    await limiter.take(tenant, { limit: 'feed_client', subject: presented.clientId })
    if (presented.scopes.has(revocationsScope)) return presented
    throw new DomainError('scope_insufficient', { detail: { expected: revocationsScope } })
  }

  /** The resource server of an audience, if the caller may introspect for it. */
  async function spokenFor(clientId: string, audience: string): Promise<ResourceServer> {
    const own = await resources.introspectedBy(tenant, clientId)
    const server = own.find(({ identifier }) => identifier === audience)
    const isRegisteredByItself = (await clients.find(tenant, clientId))?.selfRegistered === true
    if (server && !isRegisteredByItself) return server
    throw new DomainError('audience_foreign', {
      detail: { expected: own.map(({ identifier }) => identifier), came: audience },
    })
  }

  async function answerDocument(ctx: Context): Promise<void> {
    const { clientId } = await caller(ctx)
    const { audience, since } = checked(query, readQuery(ctx))
    const document = await context.revocationFeed.document(
      tenant,
      await spokenFor(clientId, audience),
      since,
    )
    ctx.set('Cache-Control', 'private, max-age=1')
    ctx.vary('Accept-Encoding')
    const isLarge = document.jws.length >= worthCompressing
    const accepted = isLarge && ctx.acceptsEncodings('br', 'gzip', 'identity')
    const coding = accepted === 'br' || accepted === 'gzip' ? accepted : undefined
    // A strong validator belongs to the bytes as sent (RFC 9110 §8.8.3).
    const etag = coding ? document.etag.replace(/"$/, `-${coding}"`) : document.etag
    ctx.set('ETag', etag)
    if (isNamed(ctx.get('if-none-match'), etag)) {
      ctx.status = 304
      return
    }
    if (coding) ctx.set('Content-Encoding', coding)
    ctx.body = coding ? await coded(document, coding) : document.jws
    ctx.set('Content-Type', 'application/revocations+jwt')
  }

  async function answerStream(ctx: Context): Promise<void> {
    const presented = await caller(ctx)
    const { clientId, expiresAt } = presented
    const { audience, since } = checked(query, readQuery(ctx))
    const server = await spokenFor(clientId, audience)
    const place = openStreams.take(JSON.stringify([tenant, clientId]))
    const last = ctx.get('last-event-id').slice(0, 100)
    try {
      const events = sendEvents(ctx, { until: expiresAt * 1000 - clock.now(), closed: place.leave })
      const end = await context.revocationStreams.follow(tenant, server, last || since, {
        isReady: events.isReady,
        receive: ({ cursor, jws }) => events.send('revocations', cursor, jws),
        async mayRead() {
          if (!(await structured.find(presented.token, despite))) return false
          return spokenFor(clientId, audience).then(
            () => true,
            () => false,
          )
        },
        end: events.end,
      })
      events.onEnd(end)
    } catch (error) {
      place.leave()
      throw error
    }
  }

  return async (ctx, next) => {
    const answer = {
      [revocationsPath]: answerDocument,
      [revocationsStreamPath]: answerStream,
    }[ctx.path]
    if (!answer) return next()
    // Only programs call these paths.
    ctx.headers.accept = 'application/json'
    try {
      await answer(ctx)
    } catch (error) {
      challenge(ctx, error, { realm: 'revocations', scope: revocationsScope })
      throw error
    }
  }
}
