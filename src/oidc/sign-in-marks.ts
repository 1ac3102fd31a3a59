import type { Context } from 'koa'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { cookieNames } from './cookie-names.ts'

/**
 * Marks the browser in which somebody showed what they sign in with, for the rest of that sign-in. The cookies of an
 * interaction do not say that: another host of the domain may have planted them, of one that an attacker began, who
 * waits for a person to sign in there and goes on elsewhere (session fixation, security class C6). Each interaction has
 * a cookie of its own, so that those of several tabs stay apart; no other host can set it.
 */
interface SignInMarks {
  give(ctx: Pick<Context, 'cookies'>, uid: string, accountId: string): void
  isHere(ctx: Pick<Context, 'req'>, uid: string, accountId: string): boolean
  end(ctx: Pick<Context, 'cookies'>, uid: string): void
}

export function createSignInMarks({ tenant, issuer, sealer, config }: IssuerContext): SignInMarks {
  const { signingIn } = cookieNames(issuer, tenant)
  const where = { path: '/', secure: issuer.startsWith('https:') } as const
  const options = { ...where, httpOnly: true, sameSite: 'lax', signed: false } as const
  const nameOf = (uid: string) => `${signingIn}.${uid}`
  /** The same each time: of two clicks at once, either answer may be the last. */
  const markOf = (uid: string, accountId: string) =>
    sealer.mac('signing-in', JSON.stringify([tenant, uid, accountId]))

  return {
    give(ctx, uid, accountId) {
      const maxAge = config.interactionTtl * 1000
      ctx.cookies.set(nameOf(uid), markOf(uid, accountId), { ...options, maxAge })
    },
    // What reads a cookie for Koa keeps an expression for each name for good.
    isHere: ({ req }, uid, accountId) =>
      (req.headers.cookie ?? '')
        .split(/; */)
        .filter((cookie) => cookie.startsWith(`${nameOf(uid)}=`))
        .some((cookie) => equalInConstantTime(cookie.split('=')[1] ?? '', markOf(uid, accountId))),
    end: (ctx, uid) => void ctx.cookies.set(nameOf(uid), null, options),
  }
}
