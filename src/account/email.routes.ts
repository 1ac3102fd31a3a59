import type Router from '@koa/router'
import type { Context } from 'koa'
import { isDomainError } from '../errors.ts'
import { seeOther } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { confirmEmailPage, type EmailView, emailPage } from '../interaction/pages/email.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { sayingPage } from '../interaction/pages/recovery.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import type { Owner, Step } from '../recovery/email-address.ts'
import { type Desk, ownerAt } from './desk.ts'

/** The step of each link. */
const links: Record<string, Step> = {
  '/email/verify': 'verification',
  '/email/confirm': 'email_change',
  '/email/object': 'email_objection',
}

export const emailMethods = {
  '/account/email': ['GET', 'HEAD', 'POST'],
  '/account/email/verify': ['GET', 'HEAD', 'POST'],
  ...Object.fromEntries(Object.keys(links).map((path) => [path, ['GET', 'HEAD', 'POST']])),
}

/**
 * The pages of `EmailAddresses`, which has the table of states. A change of address requires a recent sign-in (ASVS
 * 7.5.1).
 */
export function emailRoutes(router: Router, parts: PageParts, desk: Desk): void {
  const { tenant, config, csrf, emailAddresses, pageContext } = parts
  if (!parts.mail.isOn) return
  /** Only the reader of the mail knows it. */
  const binding = (step: Step, token: string) => `email ${step} ${token}`
  const by = (ctx: Context): Owner => ({
    ...ownerAt(ctx),
    language: pageContext(ctx).messages.locale,
  })

  function show(
    ctx: Context,
    owner: SignedIn,
    status: number,
    more: Pick<EmailView, 'error' | 'newEmail' | 'sent'> = {},
  ): void {
    const page = pageContext(ctx)
    const { email, emailVerified: verified } = owner.account
    const view = {
      ...desk.frame(ctx, owner),
      email,
      verified,
      change: ownAddress(page, '/account/email'),
      verify: ownAddress(page, '/account/email/verify'),
    }
    desk.show(ctx, emailPage(page, { ...view, ...more }), status)
  }

  async function ask(
    ctx: Context,
    owner: SignedIn,
    sent: EmailView['sent'],
    work: () => Promise<void>,
    typed = '',
  ): Promise<void> {
    const again = (status: number, error: NonNullable<EmailView['error']>) =>
      show(ctx, owner, status, { error, newEmail: typed })
    try {
      await work()
    } catch (error) {
      if (isDomainError(error, 'email_invalid')) return again(400, 'invalid')
      if (!isDomainError(error, 'too_many_requests')) throw error
      if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter))
      return again(429, 'too_many')
    }
    return show(ctx, owner, 200, sent === undefined ? {} : { sent })
  }

  router.get('/account/email', async (ctx) => {
    const owner = await desk.owner(ctx, 'email', true)
    if (owner) show(ctx, owner, 200)
  })

  router.post('/account/email', async (ctx) => {
    const posted = await desk.posted(ctx, 'email', true)
    if (!posted) return
    const { owner, form } = posted
    const { new_email: address = '' } = form
    const change = () => emailAddresses.askChange(owner.account, address, by(ctx))
    await ask(ctx, owner, 'change', change, address)
  })

  router.get('/account/email/verify', (ctx) =>
    seeOther(ctx, ownAddress(pageContext(ctx), '/account/email')),
  )

  router.post('/account/email/verify', async (ctx) => {
    const posted = await desk.posted(ctx, 'email')
    if (!posted) return
    const { owner } = posted
    await ask(ctx, owner, 'verification', () =>
      emailAddresses.askVerification(owner.account, by(ctx)),
    )
  })

  function showOver(ctx: Context, text?: string): void {
    const page = pageContext(ctx)
    const { title, text: over, next: label } = page.messages.email.over
    const next = { href: ownAddress(page, '/account'), label }
    desk.show(ctx, sayingPage(page, { title, text: text ?? over, next, fault: true }), 400)
  }

  for (const [path, step] of Object.entries(links)) {
    router.get(path, async (ctx) => {
      const { token } = ctx.query
      const proof =
        typeof token === 'string' ? await emailAddresses.look(tenant, step, token) : undefined
      if (typeof token !== 'string' || !proof) return showOver(ctx)
      const page = pageContext(ctx)
      const { title, label } = page.messages.email.steps[step]
      const action = ownAddress(page, path)
      const form = { action, csrf: csrf.token(binding(step, token)), token, title, label }
      desk.show(ctx, confirmEmailPage(page, { ...form, email: proof.email }))
    })

    router.post(path, async (ctx) => {
      const form = await readForm(ctx, config.bodyLimit)
      const { token = '' } = form
      csrf.check(ctx, binding(step, token), form['csrf'])
      const page = pageContext(ctx)
      const { messages } = page
      try {
        await emailAddresses.take(tenant, step, token, by(ctx))
      } catch (error) {
        if (isDomainError(error, 'action_token_invalid')) return showOver(ctx)
        if (isDomainError(error, 'account_exists')) return showOver(ctx, messages.email.over.taken)
        throw error
      }
      const { done } = messages.email.steps[step]
      const next =
        step === 'email_objection'
          ? { href: ownAddress(page, '/account/password'), label: messages.account.password.submit }
          : { href: ownAddress(page, '/account'), label: messages.email.over.next }
      desk.show(ctx, sayingPage(page, { ...done, next }))
    })
  }
}
