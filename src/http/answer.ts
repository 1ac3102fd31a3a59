import type { Context } from 'koa'

/** Answers with a page. */
export function showPage(ctx: Context, page: string, status = 200): void {
  ctx.status = status
  ctx.type = 'html'
  ctx.body = page
}

/** Sends a browser on to another address, which it gets (RFC 9110 §15.4.4). */
export function seeOther(ctx: Context, address: string): void {
  ctx.status = 303
  ctx.redirect(address)
}
