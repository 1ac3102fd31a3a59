import type { Context } from 'koa'

/** Answers with a page. */
export function showPage(ctx: Context, page: string, status = 200): void {
  ctx.status = status
  ctx.type = 'html'
  ctx.body = page
}

/** Redirects a browser, which requests the new address with GET (303, RFC 9110 §15.4.4). */
export function seeOther(ctx: Context, address: string): void {
  ctx.status = 303
  ctx.redirect(address)
}
