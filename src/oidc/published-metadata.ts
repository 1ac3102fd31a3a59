import type { Middleware } from 'koa'

/** What the engine says of itself in discovery, and this server does not do: people have no user codes (CIBA §4). */
const corrected = { backchannel_user_code_parameter_supported: false }

/**
 * @param paths of the discovery documents
 * @param own what they say beside
 */
export function publishedMetadata(
  paths: readonly string[],
  own: Record<string, unknown> = {},
): Middleware {
  return async (ctx, next) => {
    await next()
    if (paths.includes(ctx.path) && ctx.status === 200 && typeof ctx.body === 'object') {
      Object.assign(ctx.body as object, corrected, own)
    }
  }
}
