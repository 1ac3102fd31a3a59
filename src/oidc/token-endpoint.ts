import type { Middleware } from 'koa'
import type { Database } from '../storage/database.ts'
import { routes } from './provider.ts'
import { beginTokenRequest } from './token-request.ts'

/**
 * One unit of work per token request: committed only when the answer is 200, else rolled back, and what a refusal
 * leaves behind is committed on its own (architecture §6). Koa writes the body after the middleware has resolved, so
 * a client never sees an answer that is not stored.
 */
export function tokenTransaction(database: Database): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== routes.token || ctx.method !== 'POST') return next()
    await database.unit(async (unit) => {
      beginTokenRequest(ctx, unit)
      await next()
      return ctx.status === 200
    })
  }
}
