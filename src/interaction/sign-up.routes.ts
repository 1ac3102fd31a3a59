import type Router from '@koa/router'
import type { Context } from 'koa'
import { isDomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { ownAddress, type PageContext } from './pages/layout.ts'
import { sayingPage } from './pages/recovery.ts'
import { type SignUpView, signUpPage } from './pages/sign-up.ts'
import type { PageParts } from './parts.ts'
import { createSignUpCookie, type SignUpCookie } from './sign-up-cookie.ts'

export const signUpMethods = {
  '/sign-up': ['GET', 'HEAD', 'POST'],
  '/sign-up/sent': ['GET', 'HEAD'],
}

/** The sign-in page of an interaction whose client prefers a sign-up. */
const signInOf = (page: PageContext, uid: string): string => {
  const address = ownAddress(page, `/interaction/${uid}`)
  return `${address}${address.includes('?') ? '&' : '?'}sign_in=1`
}

/**
 * The pages of a sign-up (`SignUps` has the table of states), only where the tenant allows it. Every address gets the
 * same bytes (C10).
 * @returns the cookie, to finish what began here
 */
export function signUpRoutes(router: Router, parts: PageParts): SignUpCookie {
  const { tenant, config, csrf, signUps, interactions, pageContext } = parts
  const cookie = createSignUpCookie(parts.signUpCookie)
  const binding = (browser: string) => `sign-up ${browser}`

  function show(
    ctx: Context,
    { browser, uid }: { browser: string; uid?: string | undefined },
    again: { status: number; error?: NonNullable<SignUpView['error']>; email?: string },
  ): void {
    const page = pageContext(ctx)
    const { status, ...view } = again
    showPage(
      ctx,
      signUpPage(page, {
        action: ownAddress(page, '/sign-up'),
        csrf: csrf.token(binding(browser)),
        signIn: { href: uid === undefined ? ownAddress(page, '/account') : signInOf(page, uid) },
        ...view,
      }),
      status,
    )
  }

  if (!parts.canSignUp) return cookie

  // Below the interaction's path the browser sends its cookie, which lets this browser continue it.
  router.get('/interaction/:uid/sign-up', async (ctx) => {
    const { uid } = await interactions.find(ctx, ctx.params['uid'] as string)
    cookie.give(ctx, uid)
    seeOther(ctx, ownAddress(pageContext(ctx), '/sign-up'))
  })

  router.get('/sign-up', (ctx) => show(ctx, cookie.give(ctx), { status: 200 }))

  router.post('/sign-up', async (ctx) => {
    const form = await readForm(ctx, config.bodyLimit)
    const signingUp = cookie.read(ctx)
    const { browser } = signingUp
    csrf.check(ctx, binding(browser), form['csrf'])
    const { email = '' } = form
    if (email.trim() === '') return show(ctx, signingUp, { status: 400, error: 'missing' })
    const page = pageContext(ctx)
    try {
      const { locale: language } = page.messages
      await signUps.ask(tenant, email, { ip: ctx.ip, language, browser })
    } catch (error) {
      if (isDomainError(error, 'email_invalid')) {
        return show(ctx, signingUp, { status: 400, error: 'invalid', email })
      }
      if (!isDomainError(error, 'too_many_requests')) throw error
      if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter))
      return show(ctx, signingUp, { status: 429, error: 'too_many', email })
    }
    seeOther(ctx, ownAddress(page, '/sign-up/sent'))
  })

  router.get('/sign-up/sent', (ctx) => {
    const page = pageContext(ctx)
    const { title, text, again } = page.messages.signUp.sent
    const next = { href: ownAddress(page, '/sign-up'), label: again }
    showPage(ctx, sayingPage(page, { title, text, next }))
  })
  return cookie
}
