import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { qrCode } from '../factors/qr-code.ts'
import { totpUri } from '../factors/totp.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { pictureOfOurs } from '../http/headers.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { presenterOf } from '../oidc/token-request.ts'
import { newHandle } from '../secrets/handle.ts'
import { type NewFactorView, newFactorPage, recoveryCodesPage } from './pages/factors.ts'
import type { PageParts } from './parts.ts'
import { interactionAddress, posted } from './posted.ts'
import type { Next } from './second-factor.routes.ts'
import type { SetUpStep } from './sign-in-steps.ts'

/**
 * Sets up an app or a passkey on the way to a client that requires a second factor, where the account has none. Only a
 * password was proven, so nothing is added if the account has got a factor in between.
 */
export function setUpRoutes(router: Router, parts: PageParts, { steps, finish, showLogin }: Next) {
  const { tenant, accounts, factors, interactions, csrf, clock, pageContext } = parts
  const at = interactionAddress(parts.basePath)

  function showCodes(ctx: Context, uid: string, codes: readonly string[]): void {
    const done = { href: at(uid, 'codes'), csrf: csrf.token(uid) }
    showPage(ctx, recoveryCodesPage(pageContext(ctx), { codes, done }))
  }

  const bindingOf = (uid: string, { accountId }: SetUpStep) => `set-up ${uid} ${accountId}`

  /** What a browser needs to create a passkey instead of an app. */
  async function passkeyFor(uid: string, step: SetUpStep) {
    if (!factors.passkeys.isPossible) return {}
    const account = { id: step.accountId, email: step.email }
    const options = await factors.passkeyOptions(tenant, account, bindingOf(uid, step))
    return { passkey: { action: at(uid, 'set-up'), csrf: csrf.token(uid), options } }
  }

  async function show(
    ctx: Context,
    { uid }: Interaction,
    step: SetUpStep,
    again: Pick<NewFactorView, 'error' | 'name'> = {},
  ): Promise<void> {
    // A reload does not show the codes again.
    if (step.stage === 'codes') return showCodes(ctx, uid, [])
    const page = newFactorPage(pageContext(ctx), {
      action: at(uid, 'set-up'),
      csrf: csrf.token(uid),
      cancel: { action: at(uid, 'abort') },
      qrUrl: at(uid, 'qr.svg'),
      secret: step.secret,
      ...(await passkeyFor(uid, step)),
      ...again,
    })
    return showPage(ctx, page, again.error === undefined ? 200 : 400)
  }

  /** The interaction and its due step, for a posted form. */
  async function due(ctx: RouterContext, stage: SetUpStep['stage']) {
    const { uid, interaction, form } = await posted(parts, ctx, 'login')
    const step = await steps.find(ctx, uid)
    return { uid, interaction, form, step: step?.stage === stage ? step : undefined }
  }

  router.get('/interaction/:uid/qr.svg', async (ctx) => {
    const { uid } = await interactions.find(ctx, ctx.params['uid'] as string)
    const step = await steps.find(ctx, uid)
    if (step?.stage !== 'set_up') {
      throw new DomainError('not_found', { detail: 'no authenticator is being set up' })
    }
    ctx.set(pictureOfOurs)
    ctx.body = qrCode(totpUri(step.secret, step.email, pageContext(ctx).theme.name))
  })

  router.post('/interaction/:uid/set-up', async (ctx) => {
    const { uid, interaction, form, step } = await due(ctx, 'set_up')
    if (!step) return showLogin(ctx, interaction, { status: 400 })
    const { name = '', otp = '', credential } = form
    const by = {
      by: 'owner' as const,
      ...presenterOf(ctx),
      language: pageContext(ctx).messages.locale,
    }
    const { accountId, secret, verifiedAt } = step
    const made = { name, onlyFirst: true, verifiedAt }
    const added =
      credential === undefined
        ? await factors.add(tenant, accountId, { ...made, secret, code: otp }, by)
        : await factors.addPasskey(
            tenant,
            accountId,
            { ...made, binding: bindingOf(uid, step), credential },
            by,
          )
    // The form was sent twice at once; the other request has moved on.
    if (added === 'known' && credential === undefined) {
      return seeOther(ctx, at(uid))
    }
    if (added === 'wrong' || added === 'known') {
      const error = credential === undefined ? 'wrong' : 'passkey'
      return show(ctx, interaction, step, { error, name })
    }
    if (added === 'full' || added === 'ended') {
      await steps.end(uid)
      return showLogin(ctx, interaction, { status: 400 })
    }
    const withPasskey = credential === undefined ? {} : { withPasskey: true as const }
    const shownAt = clock.now()
    await steps.begin(ctx, uid, { ...step, stage: 'codes', secret: '', shownAt, ...withPasskey })
    return showCodes(ctx, uid, added.recoveryCodes ?? [])
  })

  router.post('/interaction/:uid/codes', async (ctx) => {
    const { uid, interaction, step } = await due(ctx, 'codes')
    const account = step && (await accounts.active(tenant, step.accountId))
    if (!account) return showLogin(ctx, interaction, { status: 400 })
    await steps.end(uid)
    if (!step.withPasskey) return finish(ctx, account, step.verifiedAt, 'totp', step.shownAt)
    const { accountId, email, verifiedAt } = step
    await steps.begin(ctx, uid, {
      stage: 'factor',
      accountId,
      email,
      verifiedAt,
      attempt: newHandle(),
    })
    return seeOther(ctx, at(uid))
  })

  return show
}
