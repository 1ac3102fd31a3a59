import type { Middleware } from 'koa'
import { loadAssets } from './assets.ts'

const prefix = '/assets/'
const year = 'public, max-age=31536000, immutable'

/**
 * Style sheet and logo; their address names their content, so they may be kept for a year. The logo is also what
 * browsers ask for by themselves on pages without a link to it.
 */
export function serveAssets(): Middleware {
  const assets = loadAssets()
  return (ctx, next) => {
    const unasked = ctx.path === '/favicon.ico'
    const name = ctx.path.startsWith(prefix) ? ctx.path.slice(prefix.length) : ''
    const asset = assets.get(unasked ? 'keyturn.svg' : name)
    if (!asset || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next()
    ctx.status = 200
    ctx.set('Cache-Control', unasked ? 'public, max-age=86400' : year)
    ctx.etag = asset.etag.replaceAll('"', '')
    ctx.type = asset.type
    if (ctx.fresh) ctx.status = 304
    else ctx.body = asset.body
    return undefined
  }
}
