import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { newHandle } from '../secrets/handle.ts'
import type { PageCookie } from './parts.ts'

/** What the forms of a browser are bound to where nobody has signed in. */
export interface FormCookie {
  /** Sets it when need be. */
  give(ctx: Context): string
  /** @throws DomainError `csrf_failed` */
  read(ctx: Context): string
}

export function createFormCookie(cookie: PageCookie): FormCookie {
  const { name, ...where } = cookie
  return {
    give(ctx) {
      const known = ctx.cookies.get(name, { signed: true })
      const browser = known || newHandle()
      const options = { httpOnly: true, sameSite: 'lax', signed: true } as const
      if (!known) ctx.cookies.set(name, browser, { ...options, ...where })
      return browser
    },
    read(ctx) {
      const browser = ctx.cookies.get(name, { signed: true })
      if (!browser) throw new DomainError('csrf_failed', { detail: { check: 'cookie' } })
      return browser
    },
  }
}
