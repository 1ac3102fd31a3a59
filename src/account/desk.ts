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

/** Seconds that a sign-in is fresh enough for what cannot be taken back (ASVS 7.5.1). */
const freshFor = 300

/** What a page of the account is made with, and how a form on one is taken. */
export interface Desk {
  /** Whoever is signed in; nobody after it has led to the sign-in, from where the page is come back to. */
  owner(ctx: Context, page: AccountPage, fresh?: boolean): Promise<SignedIn | undefined>
  /**
   * The same for a form that was sent, which must be of this session and from our own page.
   * @throws DomainError `csrf_failed`, `too_many_requests`
   */
  posted(
    ctx: Context,
    page: AccountPage,
    fresh?: boolean,
  ): Promise<{ owner: SignedIn; form: Record<string, string>; actor: Actor } | undefined>
  /** What every page has. */
  frame(ctx: Context, owner: SignedIn): AccountFrame & { csrf: string }
  show(ctx: Context, page: string, status?: number): void
  /** To a page of the account, which says what was done. */
  goTo(ctx: Context, page: AccountPage, done?: AccountDone): void
}

/** Who did it, as it is written down. */
export const ownerAt = (ctx: Context): Actor => ({ by: 'owner', ...presenterOf(ctx) })

/**
 * The share that a form on the account pages takes: most of what they change is written down. No application takes of it,
 * as it does of what sign-ins take: nobody is kept from withdrawing what they allowed it.
 */
const formOf = ({ uid }: SignedIn): Share => ({ limit: 'account_browser', subject: uid })

/** What is not there, or is somebody else's: nobody learns which (security class C22). */
export const notTheirs = (what: string) =>
  new DomainError('not_found', { detail: `no ${what} of this account has that id` })

export function createDesk(parts: PageParts): Desk {
  const { tenant, issuer, basePath, config, clock, csrf, limiter, session, pageContext } = parts

  /** Leads to the sign-in, from where the page is come back to. */
  function ask(ctx: Context, page: AccountPage, wanted: Pick<SignIn, 'maxAge' | 'onceMore'>): void {
    const { asked: uiLocales } = pageContext(ctx)
    seeOther(ctx, basePath + signInPath(issuer, { uiLocales, destination: { page }, ...wanted }))
  }

  /**
   * Whether somebody may do it; else they are led to the sign-in. What cannot be taken back takes a sign-in of the last
   * minutes, with the second factor that there is: a session may be older than the factor (ASVS 7.5.1).
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
