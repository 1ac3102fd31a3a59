import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { requestIdOf } from '../http/request.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { present } from '../present.ts'
import { newHandle } from '../secrets/handle.ts'
import { createKnownBrowser } from './known-browser.ts'
import { type EmailCodeView, emailCodePage } from './pages/email-code.ts'
import type { PageParts } from './parts.ts'
import { interactionAddress, posted } from './posted.ts'
import type { Next } from './second-factor.routes.ts'
import { type EmailCodeStep, stepTtl } from './sign-in-steps.ts'

/** Most guesses after one right password, however many codes were mailed; then the password is required again. */
const mostTries = 10

/**
 * The step after a right password, where the account has codes by e-mail and no second factor. The page is the same
 * whether a code was sent or not.
 *
 * | state  | event                                        | next                                           |
 * |--------|----------------------------------------------|------------------------------------------------|
 * | proven | codes by e-mail are on                       | asked; one is mailed                           |
 * | asked  | code wrong, used, void, missing              | asked, with the reason                         |
 * | asked  | send another                                 | asked; the earlier one is void, if one is sent |
 * | asked  | ten times wrong, ten minutes over            | login                                          |
 * | asked  | right, and a factor was added meanwhile      | second factor                                  |
 * | asked  | right, and client or tenant require a factor | set up: a mailbox is no factor                 |
 * | asked  | right                                        | back to the engine                             |
 */
export function emailCodeRoutes(
  router: Router,
  parts: PageParts,
  next: Pick<Next, 'steps' | 'showLogin'> & {
    proceed(
      ctx: Context,
      interaction: Interaction,
      account: Account,
      verifiedAt: number,
      proof: 'email',
    ): Promise<void>
  },
) {
  const { tenant, accounts, mailedCodes, attempts, csrf, log } = parts
  const knownBrowser = createKnownBrowser(parts)
  const { steps, showLogin, proceed } = next
  const at = interactionAddress(parts.basePath)
  const languageOf = (ctx: Context) => parts.pageContext(ctx).messages.locale

  async function begin(ctx: Context, uid: string, account: Account, verifiedAt: number) {
    const { id: accountId, email } = account
    const attempt = newHandle()
    await steps.begin(ctx, uid, { stage: 'email_code', accountId, email, verifiedAt, attempt })
    await mailedCodes.send(account, attempt, { ip: ctx.ip, language: languageOf(ctx) })
  }

  function show(
    ctx: Context,
    { uid }: Interaction,
    { email }: EmailCodeStep,
    error?: EmailCodeView['error'],
  ): void {
    showPage(
      ctx,
      emailCodePage(parts.pageContext(ctx), {
        action: at(uid, 'email-code'),
        again: at(uid, 'email-code-again'),
        csrf: csrf.token(uid),
        cancel: { action: at(uid, 'abort') },
        email,
        ...present({ error }),
      }),
      error === undefined ? 200 : error === 'missing' ? 400 : 403,
    )
  }

  /** The interaction and its due step, for a posted form. */
  async function due(ctx: RouterContext) {
    const { uid, interaction, form } = await posted(parts, ctx, 'login')
    const step = await steps.find(ctx, uid)
    return { uid, interaction, form, step: step?.stage === 'email_code' ? step : undefined }
  }

  router.post('/interaction/:uid/email-code', async (ctx) => {
    const { uid, interaction, form, step } = await due(ctx)
    if (!step) return showLogin(ctx, interaction, { status: 400 })
    const { otp = '' } = form
    if (otp.trim() === '') return show(ctx, interaction, step, 'missing')
    const budget = { kind: 'email_code', subject: step.attempt, limit: mostTries }
    if (!(await attempts.take(tenant, [{ ...budget, window: stepTtl }]))) {
      await steps.end(uid)
      return showLogin(ctx, interaction, { error: 'second_factor', status: 429 })
    }
    const { accountId, attempt, verifiedAt } = step
    const deviceId = knownBrowser.idForMailed(ctx, accountId)
    const by = { ip: ctx.ip, deviceId }
    if (!(await mailedCodes.check(tenant, accountId, attempt, otp, by))) {
      const about = { request_id: requestIdOf(ctx), account: accountId, ip: ctx.ip }
      log.info(about, 'code by e-mail refused')
      return show(ctx, interaction, step, 'invalid')
    }
    await steps.end(uid)
    const account = await accounts.active(tenant, accountId)
    if (!account) return showLogin(ctx, interaction, { error: 'invalid', status: 403 })
    return proceed(ctx, interaction, account, verifiedAt, 'email')
  })

  router.post('/interaction/:uid/email-code-again', async (ctx) => {
    const { uid, interaction, step } = await due(ctx)
    if (!step) return showLogin(ctx, interaction, { status: 400 })
    const account = await accounts.active(tenant, step.accountId)
    const by = { ip: ctx.ip, language: languageOf(ctx) }
    if (account) await mailedCodes.send(account, step.attempt, by)
    seeOther(ctx, at(uid))
  })

  return { begin, show }
}
