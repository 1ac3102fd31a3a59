import type { Middleware } from 'koa'
import type { KeySet } from '../signing/key-set.ts'
import { encryptionKey } from './encryption-key.ts'
import { routes } from './routes.ts'

/**
 * The key set that others verify with, and encrypt to (RFC 7517 §5): ours, not the engine's, which marks keys for
 * itself.
 * @param secret what the encryption key is made from
 */
export function publishedKeys({ published }: KeySet, secret: Buffer): Middleware {
  const { d: _private, ...encryption } = encryptionKey(secret)
  const keys = [...published.map(({ publicJwk }) => publicJwk), encryption]
  return async (ctx, next) => {
    await next()
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD'
    if (ctx.path === routes.jwks && isRead && ctx.status === 200) ctx.body = { keys }
  }
}
