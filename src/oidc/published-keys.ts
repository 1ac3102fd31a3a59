import type { Middleware } from 'koa'
import type { KeySet } from '../signing/key-set.ts'
import { encryptionKey } from './encryption-key.ts'
import { routes } from './routes.ts'

/**
 * Publishes the keys that others verify with, and encrypt to (RFC 7517 §5), in place of the engine's set, which carries
 * marks for the engine itself.
 * @param secret derives the encryption key
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
