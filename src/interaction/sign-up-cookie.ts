import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { newHandle } from '../secrets/handle.ts'
import type { PageCookie } from './parts.ts'

/** A browser in which a sign-up is in progress, and the interaction in which it began. */
export interface SigningUp {
  browser: string
  uid?: string | undefined
}

/** The state that the pages of a sign-up keep in the browser. */
export interface SignUpCookie {
  /** Sets the cookie if needed. @param uid of this browser's interaction */
  give(ctx: Context, uid?: string): SigningUp
  find(ctx: Context): SigningUp | undefined
  /** @throws DomainError `csrf_failed` */
  read(ctx: Context): SigningUp
}

export function createSignUpCookie(cookie: PageCookie): SignUpCookie {
  const { name, ...where } = cookie

  function find(ctx: Context): SigningUp | undefined {
    const [browser, uid] = ctx.cookies.get(name, { signed: true })?.split('~') ?? []
    return browser ? { browser, ...(uid ? { uid } : {}) } : undefined
  }

  return {
    give(ctx, uid) {
      const known = find(ctx)
      if (known && (uid === undefined || uid === known.uid)) return known
      const browser = known?.browser ?? newHandle()
      const options = { httpOnly: true, sameSite: 'lax', signed: true } as const
      ctx.cookies.set(name, [browser, uid ?? ''].join('~'), { ...options, ...where })
      return { browser, uid }
    },
    find,
    read(ctx) {
      const found = find(ctx)
      if (!found) throw new DomainError('csrf_failed', { detail: { check: 'cookie' } })
      return found
    },
  }
}
