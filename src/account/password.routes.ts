import type Router from '@koa/router'
import type { Context } from 'koa'
import type { ReadyPassword } from '../accounts/accounts.ts'
import { isDomainError } from '../errors.ts'
import { requestIdOf } from '../http/request.ts'
import { createKnownBrowser } from '../interaction/known-browser.ts'
import { type OwnPasswordFault, ownPasswordPage } from '../interaction/pages/account-password.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { noteDomainError } from '../interaction/refusals.ts'
import { noticeTo } from '../mail/mail.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import type { Desk } from './desk.ts'

export const passwordMethods = { '/account/password': ['GET', 'HEAD', 'POST'] }

/**
 * Changing the password (ASVS 6.2.2, 6.2.3):
 *
 * | event, the first that applies                      | next                                              |
 * |----------------------------------------------------|---------------------------------------------------|
 * | no one is signed in, or not within five minutes    | sign-in, then the form                            |
 * | a field is missing, the new ones differ            | the form, with the reason; no try is taken        |
 * | rate limit, overload                               | the form, with the reason; no try is taken        |
 * | the current one is wrong, or the account is locked | the form, with the reason; a try is taken         |
 * | the new one is refused by the policy               | the form, with the reason                         |
 * | the current one was replaced concurrently          | the form, as if it were wrong                     |
 * | accepted                                           | changed; other sessions end if wanted; new handle |
 */
export function passwordRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, config, log, database, accounts, revocations, mail, session, pageContext } = parts
  const knownBrowser = createKnownBrowser(parts)

  async function show(
    ctx: Context,
    owner: SignedIn,
    others: boolean,
    fault?: { error: OwnPasswordFault; status: number },
  ) {
    const page = pageContext(ctx)
    const least = await accounts.minLength(tenant, owner.account.id)
    const view = {
      ...desk.frame(ctx, owner),
      action: ownAddress(page, '/account/password'),
      email: owner.account.email,
      minLength: least,
      ...(least < config.passwordMinLength ? { alone: config.passwordMinLength } : {}),
      others,
      ...(fault ? { error: fault.error } : {}),
    }
    desk.show(ctx, ownPasswordPage(page, view), fault?.status)
  }

  router.get('/account/password', async (ctx) => {
    const owner = await desk.owner(ctx, 'password', true)
    if (owner) await show(ctx, owner, true)
  })

  router.post('/account/password', async (ctx) => {
    const sent = await desk.posted(ctx, 'password', true)
    if (!sent) return
    const { owner, form, actor } = sent
    const { account, uid } = owner
    const { current_password: current = '', new_password: chosen = '' } = form
    const { confirm_password: confirmed = '' } = form
    const others = form['others'] === 'end'
    if (current === '' || chosen === '' || confirmed === '') {
      return show(ctx, owner, others, { error: 'missing', status: 400 })
    }
    if (chosen !== confirmed) return show(ctx, owner, others, { error: 'mismatch', status: 400 })

    let handOver: () => void
    try {
      const knownDevice = knownBrowser.cookieIn(ctx)
      const visitor = { ip: ctx.ip, userAgent: actor.userAgent, knownDevice }
      const ready: ReadyPassword = await accounts.readyPassword(account, current, chosen, visitor)
      handOver = await database.transaction(async () => {
        await revocations.ownPasswordChanged(account, { uid, others }, actor)
        await accounts.replacePassword(account, ready)
        const { locale: language } = pageContext(ctx).messages
        const about = { accountId: account.id, language, ...noticeTo(account, ctx.ip) }
        await mail.send(tenant, { kind: 'password_changed', ...about })
        return session.renew(ctx)
      })
    } catch (error) {
      const fault = faultOf(error)
      if (!fault || !isDomainError(error)) throw error
      const { code, detail, retryAfter } = error
      log.info({ request_id: requestIdOf(ctx), error: code, detail }, 'password not changed')
      noteDomainError(parts, ctx, error, 'account')
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
      return show(ctx, owner, others, fault)
    }
    handOver()
    log.info({ request_id: requestIdOf(ctx), account: account.id, ip: ctx.ip }, 'password changed')
    desk.goTo(ctx, 'password', 'password-changed')
  })
}

function faultOf(error: unknown): { error: OwnPasswordFault; status: number } | undefined {
  if (isDomainError(error, 'password_policy')) {
    return { error: (error.detail as { rule: OwnPasswordFault }).rule, status: 400 }
  }
  if (isDomainError(error, 'credentials_invalid')) return { error: 'wrong_current', status: 403 }
  if (isDomainError(error, 'hash_queue_full')) return { error: 'busy', status: 503 }
  if (isDomainError(error, 'too_many_requests')) return { error: 'too_many', status: 429 }
  return undefined
}
