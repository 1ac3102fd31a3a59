import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import {
  type AccountDone,
  type AccountFrame,
  accountDone,
} from '../interaction/pages/account-layout.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { Share } from '../limits/limiter.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { presenterOf } from '../oidc/token-request.ts'
import type { Actor } from '../revocation/revocation.ts'
import { lacksStep } from './proof.ts'
import { type AccountPage, pathOf, type SignIn, signInPath } from './sign-in.ts'

/** Seconds after a sign-in in which irreversible actions are allowed (ASVS 7.5.1). */
const freshFor = 300

/** Helpers of account pages: who is signed in, and how forms are accepted. */
export interface Desk {
  /** The signed-in person. Otherwise redirects to the sign-in, which returns to the page, and resolves to undefined. */
  owner(ctx: Context, page: AccountPage, fresh?: boolean): Promise<SignedIn | undefined>
  /**
   * The same for a posted form, which must come from our own page and this session.
   * @throws DomainError `csrf_failed`, `too_many_requests`
   */
  posted(
    ctx: Context,
    page: AccountPage,
    fresh?: boolean,
  ): Promise<{ owner: SignedIn; form: Record<string, string>; actor: Actor } | undefined>
  /** What every page needs. */
  frame(ctx: Context, owner: SignedIn): AccountFrame & { csrf: string }
  show(ctx: Context, page: string, status?: number): void
  /** Redirects to an account page, which reports what was done. */
  goTo(ctx: Context, page: AccountPage, done?: AccountDone): void
}

/** The actor for audit events. */
export const ownerAt = (ctx: Context): Actor => ({ by: 'owner', ...presenterOf(ctx) })

/**
 * The rate limit of forms on account pages: most of their changes are recorded. It is separate from that of sign-ins,
 * which applications use up, too: nobody is kept from revoking an application.
 */
const formOf = ({ uid }: SignedIn): Share => ({ limit: 'account_browser', subject: uid })

/** Missing objects and those of other accounts are indistinguishable (security class C22). */
export const notTheirs = (what: string) =>
  new DomainError('not_found', { detail: `no ${what} of this account has that id` })

export function createDesk(parts: PageParts): Desk {
  const { tenant, issuer, basePath, config, clock, csrf, limiter, session, pageContext } = parts

  /** Redirects to the sign-in, which returns to the page. */
  function ask(ctx: Context, page: AccountPage, wanted: Pick<SignIn, 'maxAge' | 'onceMore'>): void {
    const { asked: uiLocales } = pageContext(ctx)
    seeOther(ctx, basePath + signInPath(issuer, { uiLocales, destination: { page }, ...wanted }))
  }

  /**
   * Whether the person may do it; otherwise they are redirected to the sign-in. Irreversible actions require a sign-in
   * of the last minutes, with the second factor of the account: a session may be older than the factor (ASVS 7.5.1).
   */
  async function allows(
    ctx: Context,
    page: AccountPage,
    found: SignedIn | undefined,
    fresh: boolean,
  ): Promise<boolean> {
    if (fresh && found && (await lacksStep(parts, found))) ask(ctx, page, { onceMore: true })
    else if (!found || (fresh && clock.seconds() - found.signedInAt > freshFor)) {
      ask(ctx, page, fresh ? { maxAge: freshFor } : {})
    } else return true
    return false
  }

  async function owner(ctx: Context, page: AccountPage, fresh = false) {
    const found = await session.find(ctx)
    return (await allows(ctx, page, found, fresh)) ? found : undefined
  }

  return {
    owner,
    async posted(ctx, page, fresh = false) {
      const form = await readForm(ctx, config.bodyLimit)
      const found = await session.find(ctx)
      if (found) {
        csrf.check(ctx, found.uid, form['csrf'])
        await limiter.take(tenant, formOf(found))
      }
      if (!(await allows(ctx, page, found, fresh)) || !found) return undefined
      return { owner: found, form, actor: ownerAt(ctx) }
    },
    frame(ctx, { uid }) {
      const token = csrf.token(uid)
      const action = ownAddress(pageContext(ctx), '/account/sign-out')
      const done = accountDone.find((one) => one === ctx.query['done'])
      return { csrf: token, signOut: { action, csrf: token }, ...(done ? { done } : {}) }
    },
    show: showPage,
    goTo(ctx, page, done) {
      const address = ownAddress(pageContext(ctx), pathOf({ page }))
      const mark = address.includes('?') ? '&' : '?'
      seeOther(ctx, done === undefined ? address : `${address}${mark}done=${done}`)
    },
  }
}
