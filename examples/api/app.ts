import { text } from 'node:stream/consumers'
import { protectKoa, tokenOf } from '@keyturn/verifier/koa'
import Router from '@koa/router'
import Koa, { type Middleware } from 'koa'
import { createOrders } from './orders.ts'
import type { Settings } from './settings.ts'
import { apiVerifier } from './verifier.ts'

/**
 * A protected API (resource server).
 *
 * | route                    | scope           | token check        | a revoked token is refused |
 * |--------------------------|-----------------|--------------------|----------------------------|
 * | GET /orders              | `orders:read`   | offline, with feed | within half a second       |
 * | POST /orders             | `orders:write`  | offline, with feed | within half a second       |
 * | POST /orders/{id}/refund | `orders:refund` | introspection      | at once                    |
 * | GET /report              | `orders:report` | offline            | when it expires            |
 */
export function createApp(settings: Settings, verifier = apiVerifier(settings)): Koa {
  const orders = createOrders()
  const router = new Router()

  router.get('/orders', protectKoa(verifier, { scopes: ['orders:read'], check: 'feed' }), (ctx) => {
    ctx.body = { orders: orders.of(tokenOf(ctx).subject) }
  })

  router.post(
    '/orders',
    protectKoa(verifier, { scopes: ['orders:write'], check: 'feed' }),
    async (ctx) => {
      const item = itemOf(await text(ctx.req))
      if (item === undefined) {
        ctx.status = 422
        ctx.body = { error: 'invalid_order', error_description: 'expected {"item":"…"}' }
        return
      }
      ctx.status = 201
      ctx.body = orders.place(tokenOf(ctx).subject, item)
    },
  )

  // A refund moves money: even a token revoked a second ago must not allow it.
  router.post(
    '/orders/:id/refund',
    protectKoa(verifier, { scopes: ['orders:refund'], check: 'introspect' }),
    (ctx) => {
      const order = orders.refund(tokenOf(ctx).subject, Number(ctx.params['id']))
      ctx.status = order ? 200 : 404
      ctx.body = order ?? {
        error: 'not_found',
        error_description: 'there is no such order of yours',
      }
    },
  )

  router.get(
    '/report',
    protectKoa(verifier, { scopes: ['orders:report'], check: 'offline' }),
    (ctx) => {
      ctx.body = orders.report()
    },
  )

  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'ok' }
  })

  const app = new Koa()
  app.use(allowPages(settings.allowedOrigins))
  app.use(limitBody(10_000))
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}

/**
 * CORS for the pages that may call. The token is in a header, which other sites' pages do not have; this API uses no
 * cookies, so CORS credentials stay off.
 */
function allowPages(origins: string[]): Middleware {
  return async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.vary('Origin')
    const origin = ctx.get('Origin')
    if (origins.includes(origin)) {
      ctx.set('Access-Control-Allow-Origin', origin)
      // Lets the page tell an expired token from a missing scope.
      ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate')
    }
    if (ctx.method !== 'OPTIONS' || ctx.get('Access-Control-Request-Method') === '') return next()
    ctx.set('Access-Control-Allow-Methods', 'GET, POST')
    ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type')
    ctx.set('Access-Control-Max-Age', '600')
    ctx.status = 204
  }
}

/** @param most bytes; a body of unknown length is refused, too */
function limitBody(most: number): Middleware {
  return (ctx, next) => {
    const length = ctx.get('Transfer-Encoding') === '' ? (ctx.request.length ?? 0) : Infinity
    if (length > most) ctx.throw(413)
    return next()
  }
}

function itemOf(body: string): string | undefined {
  try {
    const { item } = JSON.parse(body) as { item?: unknown }
    return typeof item === 'string' && item !== '' && item.length <= 60 ? item : undefined
  } catch {
    return undefined
  }
}
