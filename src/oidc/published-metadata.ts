import type { Middleware } from 'koa'

/** What the engine says of itself in discovery, and this server does not do: people have no user codes (CIBA §4). */
const corrected = { backchannel_user_code_parameter_supported: false }

/** @param paths of the discovery documents */
export function publishedMetadata(paths: readonly string[]): Middleware {
  return async (ctx, next) => {
    await next()
    if (paths.includes(ctx.path) && ctx.status === 200 && typeof ctx.body === 'object') {
      Object.assign(ctx.body as object, corrected)
    }
  }
}
