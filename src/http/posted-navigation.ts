import type { Context, Middleware } from 'koa'
import type { Config } from '../../config/config.ts'
import { DomainError } from '../errors.ts'
import { seeOther } from './answer.ts'
import { readText } from './body.ts'
import { invalidRequest } from './checked.ts'

/**
 * Redirects a POST to the same address by GET, for endpoints that must accept both (OpenID Connect Core §3.1.2.1,
 * RP-Initiated Logout §2). The form is posted by another site's page, so it comes without the session cookie
 * (`SameSite=Lax`); the GET that follows brings it.
 * @param paths below the issuer
 * @throws DomainError `request_invalid`; `body_too_large` when the parameters do not fit into a URL
 */
export function postedNavigation(
  paths: readonly string[],
  { basePath, headerLimit }: Pick<Config, 'headerLimit'> & { basePath: string },
): Middleware {
  const longest = Math.floor(headerLimit / 2)

  async function goOn(ctx: Context): Promise<void> {
    if (ctx.is('application/x-www-form-urlencoded') === false) {
      throw invalidRequest('body: expected application/x-www-form-urlencoded')
    }
    const form = new URLSearchParams(await readText(ctx, longest)).toString()
    const query = [ctx.querystring, form].filter(Boolean).join('&')
    if (query.length > longest) {
      throw new DomainError('body_too_large', { detail: { expected: `at most ${longest} bytes` } })
    }
    seeOther(ctx, `${basePath}${ctx.path}${query && '?'}${query}`)
  }

  return (ctx, next) => (ctx.method === 'POST' && paths.includes(ctx.path) ? goOn(ctx) : next())
}
