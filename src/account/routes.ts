import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { accountPage } from '../interaction/pages/account.ts'
import { homePage } from '../interaction/pages/home.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { signedOutPage } from '../interaction/pages/logout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { rememberLocales } from '../oidc/ui-locales.ts'
import { applicationMethods, applicationRoutes } from './applications.routes.ts'
import { dataMethods, dataRoutes } from './data.routes.ts'
import { createDesk, ownerAt } from './desk.ts'
import { emailMethods, emailRoutes } from './email.routes.ts'
import { factorMethods, factorRoutes } from './factors.routes.ts'
import { historyMethods, historyRoutes } from './history.routes.ts'
import { passwordMethods, passwordRoutes } from './password.routes.ts'
import { profileMethods, profileRoutes } from './profile.routes.ts'
import { requestMethods, requestRoutes } from './requests.routes.ts'
import { sessionMethods, sessionRoutes } from './sessions.routes.ts'
import { pathOf, readState, signInPath } from './sign-in.ts'

export const accountMethods = {
  '/': ['GET', 'HEAD'],
  '/account': ['GET', 'HEAD'],
  '/account/callback': ['GET', 'HEAD'],
  ...requestMethods,
  ...profileMethods,
  ...passwordMethods,
  ...sessionMethods,
  ...applicationMethods,
  ...historyMethods,
  ...dataMethods,
  ...emailMethods,
  ...factorMethods,
  '/account/sign-out': ['GET', 'HEAD', 'POST'],
  '/account/sign-out-everywhere': ['GET', 'HEAD', 'POST'],
  '/account/signed-out': ['GET', 'HEAD'],
}

/** The account pages of the signed-in person, and the front page. */
export function accountRoutes(parts: PageParts): Middleware {
  const { issuer, basePath, session, revocations, csrf, config, pageContext } = parts
  const router = new Router()
  const waiting = requestRoutes(
    router,
    parts,
    (ctx, request, onceMore) =>
      basePath +
      signInPath(issuer, {
        uiLocales: pageContext(ctx).asked,
        destination: { request },
        onceMore,
      }),
  )
  const desk = createDesk(parts)
  // Where only a form is sent, GET leads to the page of the form: a tab that was restored or duplicated asks for the
  // address by GET.
  profileRoutes(router, parts, desk)
  passwordRoutes(router, parts, desk)
  historyRoutes(router, parts, desk)
  dataRoutes(router, parts, desk)
  sessionRoutes(router, parts, desk)
  applicationRoutes(router, parts, desk)
  emailRoutes(router, parts, desk)
  factorRoutes(router, parts, desk)

  router.get('/', (ctx) => {
    const page = pageContext(ctx)
    return showPage(
      ctx,
      homePage(page, {
        issuer,
        discoveryUrl: `${issuer}/.well-known/openid-configuration`,
        accountUrl: ownAddress(page, '/account'),
      }),
    )
  })

  router.get('/account', async (ctx) => {
    const found = await session.find(ctx)
    const page = pageContext(ctx)
    if (!found) {
      return seeOther(ctx, basePath + signInPath(issuer, { uiLocales: page.asked }))
    }
    return showPage(
      ctx,
      accountPage(page, {
        account: found.account,
        requests: await waiting(ctx, found.account),
        ...(parts.mail.isOn ? { changeEmail: ownAddress(page, '/account/email') } : {}),
        ...desk.frame(ctx, found),
        everywhere: ownAddress(page, '/account/sign-out-everywhere'),
      }),
    )
  })

  // The code is not redeemed: these pages only need the session that came with it. The state holds the language, and
  // the page or request to go on to.
  router.get('/account/callback', async (ctx) => {
    const { uiLocales, destination } = readState(ctx.query['state'])
    rememberLocales(ctx, uiLocales)
    const page = pageContext(ctx)
    if (ctx.query['error'] !== undefined) return seeOther(ctx, ownAddress(page, '/'))
    if (!(await session.find(ctx))) {
      throw new DomainError('session_changed', {
        publicMessage:
          'You are not signed in: this browser did not keep the cookie, or you signed out meanwhile.',
        detail: 'the browser has no session after the sign-in',
      })
    }
    return seeOther(ctx, ownAddress(page, pathOf(destination)))
  })

  const signOut = (everywhere: boolean) => async (ctx: Context) => {
    const form = await readForm(ctx, config.bodyLimit)
    const found = await session.whose(ctx)
    if (found) {
      csrf.check(ctx, found.uid, form['csrf'])
      if (everywhere) await revocations.logOutEverywhere(found.account, ownerAt(ctx))
      await session.signOut(ctx)
      ctx.set('Clear-Site-Data', '"cache"')
    }
    seeOther(ctx, ownAddress(pageContext(ctx), '/account/signed-out'))
  }
  const toAccount = (ctx: Context) => seeOther(ctx, ownAddress(pageContext(ctx), '/account'))
  router.get('/account/sign-out', toAccount)
  router.get('/account/sign-out-everywhere', toAccount)
  router.post('/account/sign-out', signOut(false))
  router.post('/account/sign-out-everywhere', signOut(true))

  router.get('/account/signed-out', async (ctx) => {
    const page = pageContext(ctx)
    const account = ownAddress(page, '/account')
    if (!(await session.whose(ctx))) {
      return showPage(ctx, signedOutPage(page, { signIn: { href: account } }))
    }
    return seeOther(ctx, account)
  })

  return router.routes() as Middleware
}
