import type { Middleware } from 'koa'
import { type Asset, loadAssets } from './assets.ts'

const prefix = '/assets/'
const year = 'public, max-age=31536000, immutable'

/** For pictures that are documents, when somebody opens one as such: no script, no requests, an origin of its own. */
const picturePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; object-src 'none'; " +
  "frame-ancestors 'none'; sandbox"

/**
 * Style sheets and logo; their address names their content, so they may be kept for a year. The logo is also what
 * browsers ask for by themselves on pages without a link to it.
 * @param own files of a theme, beside ours; `logo` takes the place of our own
 */
export function serveAssets(own: ReadonlyMap<string, Asset> = new Map()): Middleware {
  const assets = new Map([...loadAssets(), ...own])
  return (ctx, next) => {
    const unasked = ctx.path === '/favicon.ico'
    const name = ctx.path.startsWith(prefix) ? ctx.path.slice(prefix.length) : ''
    const asset = unasked ? (own.get('logo') ?? assets.get('keyturn.svg')) : assets.get(name)
    if (!asset || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next()
    ctx.status = 200
    ctx.set('Cache-Control', unasked ? 'public, max-age=86400' : year)
    ctx.etag = asset.etag.replaceAll('"', '')
    ctx.type = asset.type
    if (asset.type.startsWith('image/')) ctx.set('Content-Security-Policy', picturePolicy)
    if (ctx.fresh) ctx.status = 304
    else ctx.body = asset.body
    return undefined
  }
}
