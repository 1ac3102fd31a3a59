import type { Middleware } from 'koa'
import type { KeySet } from '../signing/key-set.ts'
import { routes } from './routes.ts'

/** The key set that others verify with (RFC 7517 §5): ours, not the engine's, which marks keys for itself. */
export function publishedKeys({ published }: KeySet): Middleware {
  const keys = published.map(({ publicJwk }) => publicJwk)
  return async (ctx, next) => {
    await next()
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD'
    if (ctx.path === routes.jwks && isRead && ctx.status === 200) ctx.body = { keys }
  }
}
