import type Router from '@koa/router'
import type { Context } from 'koa'
import { type Account, isShowable } from '../accounts/account.ts'
import type { Enrolment } from '../enrolment/enrolment.ts'
import { isDomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { requestIdOf } from '../http/request.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { presenterOf } from '../oidc/token-request.ts'
import { present } from '../present.ts'
import { ownAddress } from './pages/layout.ts'
import type { PasswordFault } from './pages/password.ts'
import { sayingPage } from './pages/recovery.ts'
import { type FinishView, finishPage } from './pages/sign-up.ts'
import type { PageParts } from './parts.ts'
import type { SignUpCookie } from './sign-up-cookie.ts'

export const enrolmentMethods = {
  '/sign-up/finish': ['GET', 'HEAD', 'POST'],
  '/sign-up/done': ['GET', 'HEAD'],
}

/** What the sign-in provides. */
export interface Finishing {
  cookie: SignUpCookie
  /** Makes the browser known to the account. */
  know(ctx: Context, account: Account): void
  /** Continues a sign-in after the password was right. @param at when it was checked, in milliseconds */
  enter(ctx: Context, interaction: Interaction, account: Account, at: number): Promise<void>
}

/**
 * The pages behind the link of a sign-up or an invitation. Opening the link changes nothing: mail scanners open it,
 * too.
 *
 * | the form comes                                                       | then                                  |
 * |----------------------------------------------------------------------|---------------------------------------|
 * | with a void link                                                     | the link is over                      |
 * | with a refused name or password                                      | the form, with the reason             |
 * | from the browser that asked, in an interaction waiting for a sign-in | an account; as after a right password |
 * | from another browser, or that interaction is over                    | an account, and the link to sign in   |
 */
export function enrolmentRoutes(
  router: Router,
  parts: PageParts,
  { cookie, know, enter }: Finishing,
): void {
  const { tenant, config, clock, log, csrf, enrolment, interactions, pageContext } = parts
  // Without mail there are no such pages.
  if (!parts.mail.isOn) return
  /** Only the reader of the mail knows it. */
  const finishing = (token: string) => `sign-up finish ${token}`

  function showOver(ctx: Context): void {
    const page = pageContext(ctx)
    const { title, text, signIn } = page.messages.signUp.over
    const next = { href: ownAddress(page, '/account'), label: signIn }
    showPage(ctx, sayingPage(page, { title, text, next, fault: true }), 400)
  }

  async function show(
    ctx: Context,
    token: string,
    uid: string | undefined,
    again: { error?: NonNullable<FinishView['error']>; name?: string } = {},
  ): Promise<void> {
    const found = await enrolment.look(tenant, token)
    if (!found) return showOver(ctx)
    const page = pageContext(ctx)
    const { error } = again
    if (error === 'busy') ctx.set('Retry-After', '2')
    // Below the path of the interaction the browser sends its cookie with the form.
    const path = uid === undefined ? '/sign-up/finish' : `/interaction/${uid}/account`
    const name = again.name ?? found.name
    showPage(
      ctx,
      finishPage(page, {
        action: ownAddress(page, path),
        csrf: csrf.token(finishing(token)),
        token,
        email: found.email,
        minLength: await enrolment.minLength(tenant),
        ...present({ name, error }),
      }),
      error === undefined ? 200 : error === 'busy' ? 503 : 400,
    )
  }

  /** This browser's interaction, if it waits for a sign-in. */
  async function waiting(ctx: Context, uid: string): Promise<Interaction | undefined> {
    try {
      const interaction = await interactions.find(ctx, uid)
      return interaction.step === 'login' ? interaction : undefined
    } catch (error) {
      if (isDomainError(error, 'interaction_not_found')) return undefined
      throw error
    }
  }

  async function take(ctx: Context, uid: string | undefined): Promise<void> {
    const form = await readForm(ctx, config.bodyLimit)
    const { token = '', new_password: password = '', confirm_password: repeated = '' } = form
    csrf.check(ctx, finishing(token), form['csrf'])
    const name = (form['name'] ?? '').trim()
    const again = (error: NonNullable<FinishView['error']>) =>
      show(ctx, token, uid, { error, name })
    if (!isShowable(name)) return again('name_invalid')
    if (password === '' || repeated === '') return again('missing')
    if (password !== repeated) return again('mismatch')
    // Taken before the account is created: what voids sign-ins from now on must void this one.
    const at = clock.now()
    const { userAgent } = presenterOf(ctx)
    const about = { browser: cookie.find(ctx)?.browser, ip: ctx.ip, userAgent }
    let finished: Awaited<ReturnType<Enrolment['finish']>>
    try {
      const chosen = { ...(name === '' ? {} : { name }), password, ...about }
      finished = await enrolment.finish(tenant, token, chosen)
    } catch (error) {
      if (isDomainError(error, 'action_token_invalid')) return showOver(ctx)
      if (isDomainError(error, 'account_exists')) return showOver(ctx)
      if (isDomainError(error, 'hash_queue_full')) return again('busy')
      if (!isDomainError(error, 'password_policy')) throw error
      return again((error.detail as { rule: PasswordFault }).rule)
    }
    const { account, sameBrowser } = finished
    log.info({ request_id: requestIdOf(ctx), account: account.id, ip: ctx.ip }, 'signed up')
    know(ctx, account)
    const interaction = sameBrowser && uid !== undefined ? await waiting(ctx, uid) : undefined
    if (interaction) return enter(ctx, interaction, account, at)
    seeOther(ctx, ownAddress(pageContext(ctx), '/sign-up/done'))
  }

  router.get('/sign-up/finish', (ctx) => {
    const { token } = ctx.query
    return typeof token === 'string' ? show(ctx, token, cookie.find(ctx)?.uid) : showOver(ctx)
  })
  router.post('/sign-up/finish', (ctx) => take(ctx, undefined))
  router.post('/interaction/:uid/account', (ctx) => take(ctx, ctx.params['uid']))

  router.get('/sign-up/done', (ctx) => {
    const page = pageContext(ctx)
    const { title, text, signIn } = page.messages.signUp.done
    const next = { href: ownAddress(page, '/account'), label: signIn }
    showPage(ctx, sayingPage(page, { title, text, next }))
  })
}
