import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { newHandle } from '../secrets/handle.ts'
import type { PageCookie } from './parts.ts'

/** What forms are bound to when nobody is signed in. */
export interface FormCookie {
  /** Sets the cookie if it is missing. */
  give(ctx: Context): string
  find(ctx: Context): string | undefined
  /** @throws DomainError `csrf_failed` */
  read(ctx: Context): string
}

export function createFormCookie(cookie: PageCookie): FormCookie {
  const { name, ...where } = cookie
  const find = (ctx: Context) => ctx.cookies.get(name, { signed: true }) || undefined
  return {
    find,
    give(ctx) {
      const known = find(ctx)
      const browser = known ?? newHandle()
      const options = { httpOnly: true, sameSite: 'lax', signed: true } as const
      if (!known) ctx.cookies.set(name, browser, { ...options, ...where })
      return browser
    },
    read(ctx) {
      const browser = find(ctx)
      if (!browser) throw new DomainError('csrf_failed', { detail: { check: 'cookie' } })
      return browser
    },
  }
}
