import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Proof } from '../factors/second-factor.ts'
import { showPage } from '../http/answer.ts'
import { requestIdOf } from '../http/request.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { presenterOf } from '../oidc/token-request.ts'
import { present } from '../present.ts'
import { createKnownBrowser } from './known-browser.ts'
import type { LoginView } from './pages/login.ts'
import { type SecondFactorView, secondFactorPage } from './pages/second-factor.ts'
import type { PageParts } from './parts.ts'
import { interactionAddress, posted } from './posted.ts'
import { noteRefusal } from './refusals.ts'
import { type FactorStep, type SignInSteps, stepTtl } from './sign-in-steps.ts'

/** Most guesses after one right password; then the password is required again. */
const mostTries = 5

/** How the step continues; the sign-in decides. */
export interface Next {
  steps: SignInSteps
  /** Continues after the first factor: to a second one where required. */
  proceed(
    ctx: Context,
    interaction: Interaction,
    account: Account,
    verifiedAt: number,
    proof?: Proof,
  ): Promise<void>
  /** @param signedInAt when the proof was given, in milliseconds; by default now */
  finish(
    ctx: Context,
    account: Account,
    verifiedAt: number,
    proof: Proof,
    signedInAt?: number,
  ): Promise<void>
  showLogin(
    ctx: Context,
    interaction: Interaction,
    again: { error?: LoginView['error']; status?: number },
  ): Promise<void>
}

/** The step after a right password, where the account has a second factor. */
export function secondFactorRoutes(router: Router, parts: PageParts, next: Next) {
  const { tenant, accounts, factors, attempts, csrf, log } = parts
  const knownBrowser = createKnownBrowser(parts)
  const { steps, finish, showLogin } = next
  const at = interactionAddress(parts.basePath)

  async function show(
    ctx: Context,
    { uid }: Interaction,
    { email, accountId, attempt }: FactorStep,
    error?: SecondFactorView['error'],
  ): Promise<void> {
    const known = await factors.list(tenant, accountId)
    const passkey = await factors.passkeys.ask(tenant, accountId, attempt)
    showPage(
      ctx,
      secondFactorPage(parts.pageContext(ctx), {
        action: at(uid, 'factor'),
        csrf: csrf.token(uid),
        cancel: { action: at(uid, 'abort') },
        email,
        app: known.some(({ kind }) => kind === 'totp'),
        ...(passkey ? { passkey } : {}),
        ...present({ error }),
      }),
      error === undefined ? 200 : error === 'missing' ? 400 : 403,
    )
  }

  function codeProof(ctx: Context, { accountId }: FactorStep, typed: string) {
    const deviceId = knownBrowser.idFor(ctx, accountId)
    const { locale: language } = parts.pageContext(ctx).messages
    return factors.check(tenant, accountId, typed, { ip: ctx.ip, deviceId, language })
  }

  async function passkeyProof(
    ctx: Context,
    { accountId, attempt }: FactorStep,
    credential: string,
  ): Promise<Proof | undefined> {
    const shown = { binding: attempt, credential }
    const isRight = await factors.passkeys.check(tenant, accountId, shown, presenterOf(ctx))
    return isRight ? 'passkey' : undefined
  }

  router.post('/interaction/:uid/factor', async (ctx) => {
    const { uid, interaction, form } = await posted(parts, ctx, 'login')
    const step = await steps.find(ctx, uid)
    if (step?.stage !== 'factor') return showLogin(ctx, interaction, { status: 400 })

    const { otp = '', recovery_code: recovery = '', credential } = form
    const typed = otp.trim() === '' ? recovery : otp
    if (credential === undefined && typed.trim() === '') {
      return show(ctx, interaction, step, 'missing')
    }
    const budget = { kind: 'second_factor', subject: step.attempt, limit: mostTries }
    if (!(await attempts.take(tenant, [{ ...budget, window: stepTtl }]))) {
      await steps.end(uid)
      return showLogin(ctx, interaction, { error: 'second_factor', status: 429 })
    }
    const proof =
      credential === undefined
        ? await codeProof(ctx, step, typed)
        : await passkeyProof(ctx, step, credential)
    if (proof === undefined) {
      log.info(
        { request_id: requestIdOf(ctx), account: step.accountId, ip: ctx.ip },
        'second factor refused',
      )
      const about = { endpoint: 'sign-in', check: 'second_factor', error: 'access_denied' } as const
      noteRefusal(parts, ctx, { ...about, accountId: step.accountId })
      const typedAs = otp.trim() === '' ? 'recovery' : 'invalid'
      return show(ctx, interaction, step, credential === undefined ? typedAs : 'passkey')
    }
    await steps.end(uid)
    const account = await accounts.active(tenant, step.accountId)
    if (!account) return showLogin(ctx, interaction, { error: 'invalid', status: 403 })
    return finish(ctx, account, step.verifiedAt, proof)
  })

  return show
}
