import { createHash } from 'node:crypto'
import type { Middleware } from 'koa'

/**
 * Lets others keep the key set and discovery for a while, and answers 304 when they have them already.
 * @param paths which addresses
 * @param maxAge seconds
 */
export function cacheableMetadata(paths: string[], maxAge: number): Middleware {
  return async (ctx, next) => {
    await next()
    if (!paths.includes(ctx.path)) return
    if (ctx.status !== 200 || ctx.method === 'OPTIONS') return
    ctx.set('Cache-Control', `public, max-age=${maxAge}`)
    ctx.set('Cross-Origin-Resource-Policy', 'cross-origin')
    ctx.etag = createHash('sha256')
      .update(JSON.stringify(ctx.body))
      .digest('base64url')
      .slice(0, 22)
    if (ctx.fresh) {
      ctx.status = 304
      ctx.body = null
    }
  }
}
