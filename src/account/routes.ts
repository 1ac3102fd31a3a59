import { createHash } from 'node:crypto'
import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { readForm } from '../http/parameters.ts'
import { accountPage } from '../interaction/pages/account.ts'
import { homePage } from '../interaction/pages/home.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { signedOutPage } from '../interaction/pages/logout.ts'
import { accountClient } from '../oidc/account-client.ts'
import { routes } from '../oidc/routes.ts'
import { rememberLocales } from '../oidc/ui-locales.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { newHandle } from '../secrets/handle.ts'
import { type FactorParts, factorMethods, factorRoutes } from './factors.routes.ts'
import {
  type RequestParts,
  requestIdPattern,
  requestMethods,
  requestRoutes,
} from './requests.routes.ts'

export interface AccountParts extends RequestParts, FactorParts {
  issuer: string
  basePath: string
  revocations: Revocations
}

export const accountMethods = {
  '/': ['GET', 'HEAD'],
  '/account': ['GET', 'HEAD'],
  '/account/callback': ['GET', 'HEAD'],
  ...requestMethods,
  ...factorMethods,
  '/account/sign-out': ['POST'],
  '/account/sign-out-everywhere': ['POST'],
  '/account/signed-out': ['GET', 'HEAD'],
}

/** The pages of whoever is signed in, and the front page. */
export function accountRoutes(parts: AccountParts): Middleware {
  const { issuer, basePath, session, revocations, csrf, config, pageContext } = parts
  const router = new Router()
  const waiting = requestRoutes(
    router,
    parts,
    (ctx, request, onceMore) =>
      basePath + signInPath(issuer, { uiLocales: pageContext(ctx).asked, request, onceMore }),
  )
  factorRoutes(
    router,
    parts,
    (ctx, onceMore) =>
      basePath +
      signInPath(issuer, { uiLocales: pageContext(ctx).asked, request: ownFactors, onceMore }),
  )
  const html = (ctx: Context, body: string) => {
    ctx.type = 'html'
    ctx.body = body
  }

  router.get('/', (ctx) => {
    const page = pageContext(ctx)
    return html(
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
      ctx.status = 303
      return ctx.redirect(basePath + signInPath(issuer, { uiLocales: page.asked }))
    }
    return html(
      ctx,
      accountPage(page, {
        account: found.account,
        requests: await waiting(ctx, found.account),
        signOut: {
          action: ownAddress(page, '/account/sign-out'),
          everywhere: ownAddress(page, '/account/sign-out-everywhere'),
          csrf: csrf.token(found.uid),
        },
      }),
    )
  })

  // The code is not redeemed: what the page needs is the session that came with it. The state is the language, and the
  // request that somebody signed in to answer.
  router.get('/account/callback', async (ctx) => {
    const { uiLocales, request } = readState(ctx.query['state'])
    rememberLocales(ctx, uiLocales)
    const page = pageContext(ctx)
    if (ctx.query['error'] !== undefined) {
      ctx.status = 303
      return ctx.redirect(ownAddress(page, '/'))
    }
    if (!(await session.find(ctx))) {
      throw new DomainError('session_changed', {
        publicMessage:
          'You are not signed in: this browser did not keep the cookie, or you signed out meanwhile.',
        detail: 'no session after sign-in',
      })
    }
    ctx.status = 303
    return ctx.redirect(ownAddress(page, pathTo(request)))
  })

  const signOut = (everywhere: boolean) => async (ctx: Context) => {
    const form = await readForm(ctx, config.bodyLimit)
    const found = await session.find(ctx)
    if (found) {
      csrf.check(ctx, found.uid, form['csrf'])
      const userAgent = ctx.get('user-agent').slice(0, 256)
      const owner = { by: 'owner' as const, ip: ctx.ip, userAgent: userAgent || undefined }
      if (everywhere) await revocations.logOutEverywhere(found.account, owner)
      await session.signOut(ctx)
      ctx.set('Clear-Site-Data', '"cache"')
    }
    ctx.status = 303
    ctx.redirect(ownAddress(pageContext(ctx), '/account/signed-out'))
  }
  router.post('/account/sign-out', signOut(false))
  router.post('/account/sign-out-everywhere', signOut(true))

  router.get('/account/signed-out', async (ctx) => {
    const page = pageContext(ctx)
    const account = ownAddress(page, '/account')
    if (!(await session.find(ctx))) {
      return html(ctx, signedOutPage(page, { signIn: { href: account } }))
    }
    ctx.status = 303
    return ctx.redirect(account)
  })

  return router.routes() as Middleware
}

/** In place of a request: the page of second factors. */
const ownFactors = 'factors'

function pathTo(request: string | undefined): string {
  if (request === undefined) return '/account'
  return request === ownFactors ? '/account/factors' : `/account/requests/${request}`
}

interface SignIn {
  uiLocales?: string | undefined
  /** What to answer after it, or `ownFactors`. */
  request?: string
  /** Even if somebody is signed in. */
  onceMore?: boolean
}

/** An authorization request of our own pages, with a challenge that nobody will need to answer. */
function signInPath(issuer: string, { uiLocales, request, onceMore = false }: SignIn): string {
  const { client_id, redirect_uris } = accountClient(issuer)
  const state = [uiLocales ?? '', ...(request === undefined ? [] : [request])].join('~')
  const query = new URLSearchParams({
    client_id,
    redirect_uri: redirect_uris[0] as string,
    response_type: 'code',
    scope: 'openid',
    code_challenge: createHash('sha256').update(newHandle()).digest('base64url'),
    code_challenge_method: 'S256',
    ...(uiLocales === undefined ? {} : { ui_locales: uiLocales }),
    ...(state === '' ? {} : { state }),
    ...(onceMore ? { prompt: 'login' } : {}),
  })
  return `${routes.authorization}?${query.toString()}`
}

/** Whatever else stands in an address leads to the account page. */
function readState(state: unknown): Pick<SignIn, 'uiLocales' | 'request'> {
  const [uiLocales, request = ''] = typeof state === 'string' ? state.split('~') : []
  return {
    ...(uiLocales ? { uiLocales } : {}),
    ...(request === ownFactors || requestIdPattern.test(request) ? { request } : {}),
  }
}
