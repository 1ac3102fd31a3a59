import type { Middleware } from 'koa'
import { type Asset, loadAssets } from './assets.ts'

const prefix = '/assets/'
const year = 'public, max-age=31536000, immutable'

/** For SVG images, in case one is opened as a document: no script, no requests, an opaque origin. */
const picturePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; object-src 'none'; " +
  "frame-ancestors 'none'; sandbox"

/**
 * Serves style sheets and the logo. Their URLs contain a hash of the content, so they may be cached for a year. The
 * logo is also served as the favicon that browsers request by themselves.
 * @param own files of a theme, in addition to ours; its `logo` replaces our own
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
