import type Router from '@koa/router'
import type { Context } from 'koa'
import { seeOther } from '../http/answer.ts'
import { createKnownBrowser } from '../interaction/known-browser.ts'
import {
  type EmailCodesView,
  type EmailCodeView,
  emailCodePage,
} from '../interaction/pages/email-code.ts'
import { momentText } from '../interaction/pages/format.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { present } from '../present.ts'
import { type Desk, ownerAt } from './desk.ts'

const root = '/account/email-codes'

export const emailCodesMethods = {
  [root]: ['GET', 'HEAD', 'POST'],
  [`${root}/confirm`]: ['GET', 'HEAD', 'POST'],
  [`${root}/off`]: ['GET', 'HEAD', 'POST'],
}

/**
 * Turning codes by e-mail on and off; requires a recent sign-in with the second step of the account:
 *
 * | state | event                                   | next                            |
 * |-------|-----------------------------------------|---------------------------------|
 * | off   | turn on, where they are offered         | asked; a code is mailed         |
 * | asked | ask again                               | asked; another, unless too soon |
 * | asked | code wrong, void, or of another session | asked, with the reason          |
 * | asked | code right                              | on                              |
 * | on    | turn off                                | off                             |
 *
 * @returns what the list of second factors shows of them
 */
export function emailCodesRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, mailedCodes, pageContext } = parts
  const knownBrowser = createKnownBrowser(parts)
  const bindingOf = (uid: string) => `session ${uid}`
  const toForm = (ctx: Context) => seeOther(ctx, ownAddress(pageContext(ctx), root))
  const owner = (ctx: Context) => ({ ...ownerAt(ctx), language: pageContext(ctx).messages.locale })

  function show(ctx: Context, signedIn: SignedIn, error?: EmailCodeView['error']): void {
    const page = pageContext(ctx)
    const view = {
      action: ownAddress(page, `${root}/confirm`),
      again: ownAddress(page, root),
      csrf: desk.frame(ctx, signedIn).csrf,
      email: signedIn.account.email,
      back: { href: ownAddress(page, '/account/factors') },
      ...present({ error }),
    }
    desk.show(ctx, emailCodePage(page, view), error === undefined ? 200 : 400)
  }

  router.get(root, async (ctx) => {
    const found = await desk.owner(ctx, 'factors', true)
    if (!found) return
    if (await mailedCodes.offered(found.account)) show(ctx, found)
    else desk.goTo(ctx, 'factors')
  })

  router.post(root, async (ctx) => {
    const posted = await desk.posted(ctx, 'factors', true)
    if (!posted) return
    const { account, uid } = posted.owner
    if (!(await mailedCodes.offered(account))) return desk.goTo(ctx, 'factors')
    const { ip, language } = owner(ctx)
    await mailedCodes.send(account, bindingOf(uid), { ip: ip ?? '', language })
    toForm(ctx)
  })

  router.get(`${root}/confirm`, toForm)
  router.get(`${root}/off`, (ctx) => desk.goTo(ctx, 'factors'))

  router.post(`${root}/confirm`, async (ctx) => {
    const posted = await desk.posted(ctx, 'factors', true)
    if (!posted) return
    const { account, uid } = posted.owner
    if (!(await mailedCodes.offered(account))) return desk.goTo(ctx, 'factors')
    const { otp = '' } = posted.form
    if (otp.trim() === '') return show(ctx, posted.owner, 'missing')
    const by = { ip: ctx.ip, deviceId: knownBrowser.idFor(ctx, account.id) }
    if (!(await mailedCodes.check(tenant, account.id, bindingOf(uid), otp, by))) {
      return show(ctx, posted.owner, 'invalid')
    }
    await mailedCodes.turnOn(account, owner(ctx))
    desk.goTo(ctx, 'factors')
  })

  router.post(`${root}/off`, async (ctx) => {
    const posted = await desk.posted(ctx, 'factors', true)
    if (!posted) return
    await mailedCodes.turnOff(tenant, posted.owner.account.id, owner(ctx))
    desk.goTo(ctx, 'factors')
  })

  return async function section(
    ctx: Context,
    signedIn: SignedIn,
  ): Promise<EmailCodesView | undefined> {
    const page = pageContext(ctx)
    const { csrf } = desk.frame(ctx, signedIn)
    const since = await mailedCodes.since(tenant, signedIn.account.id)
    if (since !== undefined) {
      const said = momentText(page.messages.locale, since)
      return { csrf, action: ownAddress(page, `${root}/off`), since: said }
    }
    const isOffered = await mailedCodes.offered(signedIn.account)
    return isOffered ? { csrf, action: ownAddress(page, root) } : undefined
  }
}
