import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import Koa, { type Middleware } from 'koa'
import type { Settings } from './settings.ts'
import { tokenHandler } from './token-handler.ts'

/** A browser app: static files, and the token handler beside them on the same origin. */
export function createApp(settings: Settings): Koa {
  const router = new Router()
  for (const [path, file, type] of files) {
    router.get(path, async (ctx) => {
      ctx.type = type
      ctx.body = await readFile(new URL(file, import.meta.url))
    })
  }
  router.get('/config.json', (ctx) => {
    ctx.body = { api: settings.apiUrl.href }
  })
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'ok' }
  })

  const app = new Koa()
  app.use(headers(settings))
  app.use(tokenHandler(settings).routes())
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}

/**
 * The page keeps an access token in memory. So the policy allows only our own scripts, and lets them connect only to
 * this server and the API.
 */
function headers({ apiUrl }: Settings): Middleware {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${apiUrl.origin}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ]
  return async (ctx, next) => {
    ctx.set({
      'Content-Security-Policy': policy.join('; '),
      'Cross-Origin-Opener-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-store',
    })
    await next()
  }
}

const files = [
  ['/', 'public/index.html', 'html'],
  ['/app.js', 'public/app.js', 'js'],
  ['/tokens.js', 'public/tokens.js', 'js'],
  ['/view.js', 'public/view.js', 'js'],
  ['/icon.svg', '../looks/icon.svg', 'svg'],
  ['/looks.css', '../looks/looks.css', 'css'],
] as const
