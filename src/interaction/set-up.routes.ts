import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { qrCode } from '../factors/qr-code.ts'
import { totpUri } from '../factors/totp.ts'
import { pictureOfOurs } from '../http/headers.ts'
import { readForm } from '../http/parameters.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { type NewFactorView, newFactorPage, recoveryCodesPage } from './pages/factors.ts'
import type { Next, SecondFactorParts } from './second-factor.routes.ts'
import { requireStep, type SetUpStep } from './sign-in-steps.ts'

/**
 * Setting up an app on the way to a client that requires a second factor, where the account has none. Nothing but a
 * password was shown: an account that has got a factor meanwhile gets none here.
 */
export function setUpRoutes(
  router: Router,
  parts: SecondFactorParts,
  { steps, finish, showLogin }: Next,
) {
  const { tenant, accounts, factors, interactions, csrf, config, clock, pageContext } = parts
  const at = (uid: string, step: string) => `${parts.basePath}/interaction/${uid}/${step}`

  function html(ctx: Context, body: string, status = 200): void {
    ctx.status = status
    ctx.type = 'html'
    ctx.body = body
  }

  function showCodes(ctx: Context, uid: string, codes: readonly string[]): void {
    const done = { href: at(uid, 'codes'), csrf: csrf.token(uid) }
    html(ctx, recoveryCodesPage(pageContext(ctx), { codes, done }))
  }

  function show(
    ctx: Context,
    { uid }: Interaction,
    { stage, secret }: SetUpStep,
    again: Pick<NewFactorView, 'error' | 'name'> = {},
  ): void {
    // Whoever loads the page once more has seen them.
    if (stage === 'codes') return showCodes(ctx, uid, [])
    const page = newFactorPage(pageContext(ctx), {
      action: at(uid, 'set-up'),
      csrf: csrf.token(uid),
      cancel: { action: at(uid, 'abort') },
      qrUrl: at(uid, 'qr.svg'),
      secret,
      ...again,
    })
    return html(ctx, page, again.error === undefined ? 200 : 400)
  }

  /** The interaction and its step, for a form of ours that was sent in its turn. */
  async function due(ctx: RouterContext, stage: SetUpStep['stage']) {
    const uid = ctx.params['uid'] as string
    const interaction = await interactions.find(ctx, uid)
    const form = await readForm(ctx, config.bodyLimit)
    csrf.check(ctx, uid, form['csrf'])
    requireStep(interaction, 'login')
    const step = await steps.find(uid)
    return { uid, interaction, form, step: step?.stage === stage ? step : undefined }
  }

  router.get('/interaction/:uid/qr.svg', async (ctx) => {
    const { uid } = await interactions.find(ctx, ctx.params['uid'] as string)
    const step = await steps.find(uid)
    if (step?.stage !== 'set_up') {
      throw new DomainError('not_found', { detail: 'no authenticator is being set up' })
    }
    ctx.set(pictureOfOurs)
    ctx.body = qrCode(totpUri(step.secret, step.email, pageContext(ctx).theme.name))
  })

  router.post('/interaction/:uid/set-up', async (ctx) => {
    const { uid, interaction, form, step } = await due(ctx, 'set_up')
    if (!step) return showLogin(ctx, interaction, { status: 400 })
    const { name = '', otp = '' } = form
    const by = {
      by: 'owner' as const,
      ip: ctx.ip,
      userAgent: ctx.get('user-agent').slice(0, 256) || undefined,
    }
    // Who was signed out everywhere meanwhile, or disabled, adds nothing.
    const isValid =
      (await accounts.active(tenant, step.accountId)) !== undefined &&
      (await accounts.holdSignIn(tenant, step.accountId, step.verifiedAt))
    const app = { secret: step.secret, name, code: otp, onlyFirst: true }
    const added = isValid ? await factors.add(tenant, step.accountId, app, by) : 'full'
    if (added === 'wrong') return show(ctx, interaction, step, { error: 'wrong', name })
    if (added === 'full') {
      await steps.end(uid)
      return showLogin(ctx, interaction, { status: 400 })
    }
    await steps.begin(uid, { ...step, stage: 'codes', secret: '', shownAt: clock.now() })
    return showCodes(ctx, uid, added.recoveryCodes ?? [])
  })

  router.post('/interaction/:uid/codes', async (ctx) => {
    const { uid, interaction, step } = await due(ctx, 'codes')
    const account = step && (await accounts.active(tenant, step.accountId))
    if (!account) return showLogin(ctx, interaction, { status: 400 })
    await steps.end(uid)
    return finish(ctx, account, step.verifiedAt, 'totp', step.shownAt)
  })

  return show
}
