import type { Context, Middleware } from 'koa'
import { routes } from '../oidc/routes.ts'
import type { PageContext } from './pages/layout.ts'

/**
 * Carries the language through the three requests of a sign-out in their URLs, as the engine forgets it after the
 * first.
 */
export function carryLanguage(
  issuer: string,
  pageContext: (ctx: Context) => PageContext,
): Middleware {
  const confirm = `${routes.end_session}/confirm`
  const success = `${routes.end_session}/success`
  return async (ctx, next) => {
    await next()
    if (ctx.path !== routes.end_session && ctx.path !== confirm) return
    const { asked } = pageContext(ctx)
    if (asked === undefined) return
    const query = `ui_locales=${asked}`
    if (typeof ctx.body === 'string') {
      ctx.body = ctx.body.replaceAll(`${confirm}"`, `${confirm}?${query}"`)
    }
    const { location = '' } = ctx.response.headers as { location?: string }
    if (location.startsWith(issuer + success)) {
      ctx.set('Location', `${location}${location.includes('?') ? '&' : '?'}${query}`)
    }
  }
}
