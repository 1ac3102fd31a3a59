import type { Middleware } from 'koa'
import { loadAssets } from './assets.ts'

const prefix = '/assets/'

/** Style sheet and logo; their address names their content, so they may be kept for a year. */
export function serveAssets(): Middleware {
  const assets = loadAssets()
  return (ctx, next) => {
    const asset = ctx.path.startsWith(prefix) && assets.get(ctx.path.slice(prefix.length))
    if (!asset || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next()
    ctx.status = 200
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable')
    ctx.etag = asset.etag.replaceAll('"', '')
    ctx.type = asset.type
    if (ctx.fresh) ctx.status = 304
    else ctx.body = asset.body
    return undefined
  }
}
