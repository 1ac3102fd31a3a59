import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { isDomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { requestIdOf } from '../http/request.ts'
import { createFormCookie } from '../interaction/form-cookie.ts'
import { createKnownBrowser } from '../interaction/known-browser.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { type PasswordView, passwordPage } from '../interaction/pages/password.ts'
import { type ForgotView, forgotPage, sayingPage } from '../interaction/pages/recovery.ts'
import type { PageParts } from '../interaction/parts.ts'
import { present } from '../present.ts'
import { ownerAt } from './desk.ts'

export const passwordResetMethods = {
  '/password/forgot': ['GET', 'HEAD', 'POST'],
  '/password/sent': ['GET', 'HEAD'],
  '/password/reset': ['GET', 'HEAD', 'POST'],
  '/password/changed': ['GET', 'HEAD'],
}

/**
 * The pages of `PasswordReset`, which has the table of states; no page decides what the next may do. Existing and
 * unknown addresses get the same bytes (C10). Opening a link changes nothing: mail scanners open links, too.
 */
export function passwordResetRoutes(parts: PageParts): Middleware {
  const { tenant, config, log, csrf, mail, passwordReset, pageContext } = parts
  const router = new Router()
  const { cookieIn, knowMailed } = createKnownBrowser(parts)
  const cookie = createFormCookie(parts.recoveryCookie)
  const asking = (browser: string) => `password forgot ${browser}`
  /** Only the reader of the mail knows it. */
  const choosing = (token: string) => `password reset ${token}`

  function showForgot(
    ctx: Context,
    browser: string,
    status: number,
    again: Pick<ForgotView, 'error' | 'username'> = {},
  ): void {
    const page = pageContext(ctx)
    const form = { action: ownAddress(page, '/password/forgot'), csrf: csrf.token(asking(browser)) }
    showPage(ctx, forgotPage(page, { ...form, ...again }), status)
  }

  function showOver(ctx: Context): void {
    const page = pageContext(ctx)
    const { title, text, again } = page.messages.recovery.over
    const next = { href: ownAddress(page, '/password/forgot'), label: again }
    showPage(ctx, sayingPage(page, { title, text, next, fault: true }), 400)
  }

  async function showChoose(
    ctx: Context,
    token: string,
    error?: PasswordView['error'],
  ): Promise<void> {
    const account = await passwordReset.look(tenant, token)
    if (!account) return showOver(ctx)
    const page = pageContext(ctx)
    const minLength = await passwordReset.minLength(account)
    if (error === 'busy') ctx.set('Retry-After', '2')
    showPage(
      ctx,
      passwordPage(page, {
        action: ownAddress(page, '/password/reset'),
        csrf: csrf.token(choosing(token)),
        email: account.email,
        minLength,
        lead: page.messages.recovery.chooseLead,
        token,
        ...present({ error }),
      }),
      error === undefined ? 200 : error === 'busy' ? 503 : 400,
    )
  }

  function redirect(ctx: Context, path: string): void {
    seeOther(ctx, ownAddress(pageContext(ctx), path))
  }

  router.get('/password/forgot', (ctx) => showForgot(ctx, cookie.give(ctx), 200))

  router.post('/password/forgot', async (ctx) => {
    const form = await readForm(ctx, config.bodyLimit)
    const browser = cookie.read(ctx)
    csrf.check(ctx, asking(browser), form['csrf'])
    const { username = '' } = form
    if (username.trim() === '') return showForgot(ctx, browser, 400, { error: 'missing' })
    try {
      const { locale } = pageContext(ctx).messages
      const about = { ip: ctx.ip, language: locale, knownDevice: cookieIn(ctx) }
      await passwordReset.ask(tenant, username, about)
    } catch (error) {
      if (!isDomainError(error, 'too_many_requests')) throw error
      if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter))
      return showForgot(ctx, browser, 429, { error: 'too_many', username })
    }
    return redirect(ctx, '/password/sent')
  })

  router.get('/password/sent', (ctx) => {
    const page = pageContext(ctx)
    const { title, text, again } = page.messages.recovery.sent
    const next = { href: ownAddress(page, '/password/forgot'), label: again }
    showPage(ctx, sayingPage(page, { title, text, next }))
  })

  router.get('/password/reset', (ctx) => {
    const { token } = ctx.query
    return typeof token === 'string' ? showChoose(ctx, token) : showOver(ctx)
  })

  router.post('/password/reset', async (ctx) => {
    const form = await readForm(ctx, config.bodyLimit)
    const { token = '', new_password: chosen = '', confirm_password: confirmed = '' } = form
    csrf.check(ctx, choosing(token), form['csrf'])
    if (chosen === '' || confirmed === '') return showChoose(ctx, token, 'missing')
    if (chosen !== confirmed) return showChoose(ctx, token, 'mismatch')
    const { locale } = pageContext(ctx).messages
    try {
      const owner = { ...ownerAt(ctx), language: locale }
      // The browser becomes known to the account, so that guesses from unknown browsers do not lock out the owner of
      // the mailbox; their pause continues.
      knowMailed(ctx, await passwordReset.reset(tenant, token, chosen, owner))
    } catch (error) {
      if (isDomainError(error, 'action_token_invalid')) return showOver(ctx)
      if (isDomainError(error, 'hash_queue_full')) return showChoose(ctx, token, 'busy')
      if (!isDomainError(error, 'password_policy')) throw error
      return showChoose(ctx, token, (error.detail as { rule: PasswordView['error'] }).rule)
    }
    log.info({ request_id: requestIdOf(ctx), ip: ctx.ip }, 'password reset by mail')
    return redirect(ctx, '/password/changed')
  })

  router.get('/password/changed', (ctx) => {
    const page = pageContext(ctx)
    const { title, text, signIn } = page.messages.recovery.done
    const next = { href: ownAddress(page, '/account'), label: signIn }
    showPage(ctx, sayingPage(page, { title, text, next }))
  })

  const pages = router.routes() as Middleware
  // Without mail there are no such pages.
  return mail.isOn ? pages : (_ctx, next) => next()
}
