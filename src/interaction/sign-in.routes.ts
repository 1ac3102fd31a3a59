import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Authenticated, SecondStep } from '../accounts/authenticated.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Proof } from '../factors/second-factor.ts'
import { newTotpSecret } from '../factors/totp.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { requestIdOf } from '../http/request.ts'
import { noticeTo } from '../mail/mail.ts'
import { accountClientId } from '../oidc/account-client.ts'
import { authenticationBy } from '../oidc/authentication-context.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { presenterOf } from '../oidc/token-request.ts'
import { present } from '../present.ts'
import { newHandle } from '../secrets/handle.ts'
import { emailCodeRoutes } from './email-code.routes.ts'
import { enrolmentRoutes } from './enrolment.routes.ts'
import { createKnownBrowser } from './known-browser.ts'
import { noteSignIn } from './noted-sign-in.ts'
import { ownAddress } from './pages/layout.ts'
import { type LoginView, loginPage } from './pages/login.ts'
import { type PasswordView, passwordPage } from './pages/password.ts'
import type { PageParts } from './parts.ts'
import { passkeyRoutes } from './passkey.routes.ts'
import { interactionAddress, posted, requireStep } from './posted.ts'
import { noteDomainError } from './refusals.ts'
import { secondFactorRoutes } from './second-factor.routes.ts'
import { setUpRoutes } from './set-up.routes.ts'
import { createSignInSteps, type PasswordStep, type SignInStep } from './sign-in-steps.ts'
import { signUpRoutes } from './sign-up.routes.ts'

/** What is known of an interaction: under a flood nothing of it is read. */
type Waiting = Pick<Interaction, 'uid'> & Partial<Pick<Interaction, 'clientId' | 'loginHint'>>

/**
 * Signing in, as a state machine. A step belongs to one interaction, and that to one browser; a form for a step that is
 * not due changes nothing.
 *
 * | state           | event                                               | next                                   |
 * |-----------------|-----------------------------------------------------|----------------------------------------|
 * | login           | wrong, missing, expired, busy, too many             | login, with the reason                 |
 * | login           | right, a one-time password                          | choose password                        |
 * | login           | right, too short without a required factor          | choose password                        |
 * | login           | right                                               | proven                                 |
 * | login           | account created in this browser (`enrolmentRoutes`) | proven                                 |
 * | login           | passkey wrong, used, not verified, too many         | login, with the reason                 |
 * | login           | passkey with user verification                      | back to the engine                     |
 * | choose password | refused by the policy                               | choose password, with the reason       |
 * | choose password | accepted                                            | proven                                 |
 * | choose password | time is over, used meanwhile                        | login                                  |
 * | proven          | the account has a second factor                     | second factor                          |
 * | proven          | it has none, but codes by e-mail                    | code by e-mail (its own table)         |
 * | proven          | it has none; client or tenant requires one          | set up                                 |
 * | proven          | it has none, and the request insists on one         | the client: unmet requirements         |
 * | proven          | it has none                                         | back to the engine                     |
 * | second factor   | wrong, used, missing                                | second factor, with the reason         |
 * | second factor   | wrong five times, time is over                      | login                                  |
 * | second factor   | right                                               | back to the engine                     |
 * | set up          | wrong                                               | set up, with the reason                |
 * | set up          | right                                               | codes, shown once                      |
 * | set up          | time is over, a factor was added meanwhile          | login                                  |
 * | codes           | saved, of an app                                    | back to the engine                     |
 * | codes           | saved, of a passkey                                 | second factor: the passkey is used     |
 * | any             | a user name and a password, or a passkey            | as login; earlier proofs are discarded |
 */
export function signInRoutes(router: Router, parts: PageParts) {
  const { tenant, accounts, factors, interactions, csrf, config, clock, log } = parts
  const { cookieIn, know } = createKnownBrowser(parts)
  const at = interactionAddress(parts.basePath)
  const steps = createSignInSteps(parts)

  /** A complete sign-in: resets the counts of wrong guesses and makes the browser known. */
  async function finish(
    ctx: Context,
    account: Account,
    verifiedAt: number,
    proof?: Proof,
    signedInAt = clock.now(),
  ) {
    const authentication = authenticationBy(proof)
    const { amr } = authentication
    const signIn = { account, verifiedAt, amr, cookie: cookieIn(ctx) }
    // Signed out everywhere during the last step: starts over.
    const uid = ctx['params'].uid as string
    if (!(await noteSignIn(parts, ctx, signIn))) {
      await steps.end(uid)
      return seeOther(ctx, at(uid))
    }
    know(ctx, account)
    log.info({ request_id: requestIdOf(ctx), account: account.id, ip: ctx.ip, amr }, 'signed in')
    const login = { account, ...authentication, verifiedAt, signedInAt }
    const [path] = await Promise.all([interactions.finishLogin(ctx, login), steps.end(uid)])
    seeOther(ctx, path)
  }

  /**
   * After a right password, or a passkey that needs none: decides what else is required. The current step ends or is
   * replaced.
   * @param proof a code by e-mail is asked for once and replaces nothing else
   * @param known what the account requires besides a password, if it was read already
   */
  async function proceed(
    ctx: Context,
    { uid, withoutFactor }: Interaction,
    account: Account,
    verifiedAt: number,
    proof?: Proof,
    known?: { secondStep?: SecondStep },
  ): Promise<void> {
    if (proof !== undefined && proof !== 'email') return finish(ctx, account, verifiedAt, proof)
    const { id: accountId, email } = account
    const { secondStep } = known ?? { secondStep: await factors.secondStep(tenant, accountId) }
    if (secondStep === 'factor') {
      const attempt = newHandle()
      await steps.begin(ctx, uid, { stage: 'factor', accountId, email, verifiedAt, attempt })
      return seeOther(ctx, at(uid))
    }
    if (proof === undefined && secondStep === 'email_code') {
      await emailCode.begin(ctx, uid, account, verifiedAt)
      return seeOther(ctx, at(uid))
    }
    if (withoutFactor === 'set_up') {
      const secret = newTotpSecret()
      await steps.begin(ctx, uid, { stage: 'set_up', accountId, email, verifiedAt, secret })
      return seeOther(ctx, at(uid))
    }
    if (withoutFactor === 'refuse') {
      await steps.end(uid)
      return seeOther(ctx, await interactions.refuseWeak(ctx))
    }
    return finish(ctx, account, verifiedAt, proof)
  }

  async function showLogin(
    ctx: Context,
    { uid, clientId, loginHint }: Waiting,
    again: { error?: LoginView['error']; username?: string; status?: number } = {},
  ) {
    const ours = clientId === accountClientId
    const clientName = ours || clientId === undefined ? undefined : await parts.clientName(clientId)
    const username = again.username ?? loginHint
    const { passkeys } = factors
    const token = csrf.token(uid)
    const passkey = passkeys.isPossible ? { action: at(uid, 'passkey'), csrf: token } : undefined
    const page = parts.pageContext(ctx)
    const view = {
      action: at(uid, 'login'),
      csrf: token,
      cancel: { action: at(uid, 'abort') },
      ...(parts.mail.isOn ? { forgot: { href: ownAddress(page, '/password/forgot') } } : {}),
      ...(parts.canSignUp ? { signUp: { href: at(uid, 'sign-up') } } : {}),
      ...(passkey
        ? { passkey: { ...passkey, options: await passkeys.askAnybody(tenant, uid) } }
        : {}),
      ...(ours ? { ours } : {}),
      ...present({ clientName, username, error: again.error }),
    }
    showPage(ctx, loginPage(page, view), again.status)
  }

  /** Shows the form again, with the reason. @throws errors that a person cannot act on */
  function refuse(ctx: Context, again: Waiting & { username: string }, error: unknown) {
    const known = isDomainError(error) ? signInFaults[error.code] : undefined
    if (!known || !isDomainError(error)) throw error
    // Under a flood the request log and the counters suffice.
    log[error.status === 503 ? 'debug' : 'info'](
      { request_id: requestIdOf(ctx), error: error.code, detail: error.detail, ip: ctx.ip },
      'sign-in refused',
    )
    noteDomainError(parts, ctx, error, 'sign-in')
    if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter))
    return showLogin(ctx, again, { ...known, username: again.username })
  }

  async function showPassword(
    ctx: Context,
    { uid }: Interaction,
    { email, why, accountId }: PasswordStep,
    error?: PasswordView['error'],
  ): Promise<void> {
    const page = parts.pageContext(ctx)
    if (error === 'busy') ctx.set('Retry-After', '2')
    showPage(
      ctx,
      passwordPage(page, {
        action: at(uid, 'password'),
        csrf: csrf.token(uid),
        cancel: { action: at(uid, 'abort') },
        email,
        minLength: await accounts.minLength(tenant, accountId),
        ...(why === 'short' ? { lead: page.messages.password.tooShort } : {}),
        ...present({ error }),
      }),
      error === undefined ? 200 : error === 'busy' ? 503 : 400,
    )
  }

  router.post('/interaction/:uid/login', async (ctx) => {
    const uid = ctx.params['uid'] as string
    const visitor = {
      ...presenterOf(ctx),
      knownDevice: cookieIn(ctx),
    }
    const interaction = accounts.hasRoom(tenant, visitor)
      ? await interactions.find(ctx, uid)
      : undefined
    const form = await readForm(ctx, config.bodyLimit)
    csrf.check(ctx, uid, form['csrf'])
    const { username = '', password = '' } = form
    // A flood is refused before anything is read.
    if (!interaction) {
      parts.counters.count('hash_shed')
      return refuse(ctx, { uid, username }, new DomainError('hash_queue_full'))
    }
    requireStep(interaction, 'login')
    if (username === '' || password === '') {
      return showLogin(ctx, interaction, { error: 'missing', username, status: 400 })
    }

    // Taken before the password is checked: a change from now on must void this sign-in.
    const verifiedAt = clock.now()
    let authenticated: Authenticated
    try {
      authenticated = await accounts.authenticate(tenant, username, password, visitor)
    } catch (error) {
      return refuse(ctx, { ...interaction, username }, error)
    }

    const { account, mustChange } = authenticated
    if (mustChange) {
      await steps.begin(ctx, uid, { stage: 'password', ...mustChange, email: account.email })
      return seeOther(ctx, at(uid))
    }
    return proceed(ctx, interaction, account, verifiedAt, undefined, authenticated)
  })

  /** Notifies the owner, no matter who set the password (ASVS 6.3.7). */
  async function tellOfChosen(ctx: Context, { accountId }: PasswordStep): Promise<void> {
    const { ip, userAgent } = presenterOf(ctx)
    const detail = { by: 'owner', others: 'stay' }
    const event = { type: 'account.password_changed', accountId, ip, userAgent, detail } as const
    await parts.audit.record(tenant, event)
    const { locale: language } = parts.pageContext(ctx).messages
    const account = await accounts.active(tenant, accountId)
    if (!account) return
    const about = { accountId, language, ...noticeTo(account, ip) }
    await parts.mail.send(tenant, { kind: 'password_changed', ...about })
  }

  router.post('/interaction/:uid/password', async (ctx) => {
    const { uid, interaction, form } = await posted(parts, ctx, 'login')
    const step = await steps.find(ctx, uid)
    if (step?.stage !== 'password') return showLogin(ctx, interaction, { status: 400 })

    const verifiedAt = clock.now()
    const { new_password: chosen = '', confirm_password: confirmed = '' } = form
    if (chosen === '' || confirmed === '') return showPassword(ctx, interaction, step, 'missing')
    if (chosen !== confirmed) return showPassword(ctx, interaction, step, 'mismatch')
    try {
      await accounts.choosePassword(step, chosen, () => tellOfChosen(ctx, step))
    } catch (error) {
      if (isDomainError(error, 'password_policy')) {
        const { rule } = error.detail as { rule: PasswordView['error'] }
        return showPassword(ctx, interaction, step, rule)
      }
      if (isDomainError(error, 'hash_queue_full')) {
        return showPassword(ctx, interaction, step, 'busy')
      }
      if (!isDomainError(error, 'credentials_invalid')) throw error
      await steps.end(uid)
      return showLogin(ctx, interaction, { error: 'invalid', status: 403 })
    }
    await steps.end(uid)
    const account = await accounts.active(tenant, step.accountId)
    if (!account) return showLogin(ctx, interaction, { error: 'invalid', status: 403 })
    return proceed(ctx, interaction, account, verifiedAt)
  })

  const signUpCookie = signUpRoutes(router, parts)
  enrolmentRoutes(router, parts, {
    cookie: signUpCookie,
    know,
    enter: proceed,
  })

  const next = { steps, finish, proceed, showLogin }
  passkeyRoutes(router, parts, next)
  const showFactor = secondFactorRoutes(router, parts, next)
  const showSetUp = setUpRoutes(router, parts, next)
  const emailCode = emailCodeRoutes(router, parts, { ...next, proceed })

  /** Shows the page of the current state. */
  async function show(ctx: Context, interaction: Interaction, step?: SignInStep): Promise<void> {
    if (step?.stage === 'password') await showPassword(ctx, interaction, step)
    else if (step?.stage === 'factor') await showFactor(ctx, interaction, step)
    else if (step?.stage === 'email_code') emailCode.show(ctx, interaction, step)
    else if (step) await showSetUp(ctx, interaction, step)
    else if (interaction.wantsNew && ctx.query['sign_in'] === undefined) {
      seeOther(ctx, at(interaction.uid, 'sign-up'))
    } else await showLogin(ctx, interaction)
  }
  return { show, stepOf: steps.find }
}

type SignInFault = { error: NonNullable<LoginView['error']>; status: number }

const signInFaults: Partial<Record<DomainError['code'], SignInFault>> = {
  credentials_invalid: { error: 'invalid', status: 403 },
  one_time_password_expired: { error: 'one_time_expired', status: 403 },
  hash_queue_full: { error: 'busy', status: 503 },
  too_many_requests: { error: 'too_many', status: 429 },
}
