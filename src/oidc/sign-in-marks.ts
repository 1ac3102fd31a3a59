import type { Context } from 'koa'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { cookieNames } from './cookie-names.ts'

/**
 * Marks the browser in which a user signed in, for the rest of that interaction. The interaction's own cookies do not
 * prove it: another host of the domain may have planted those of an attacker, who waits for the user to sign in and
 * continues elsewhere (session fixation, security class C6). No other host can set these cookies. Each interaction has
 * its own, so that several tabs do not interfere.
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
  /** Deterministic: of two simultaneous clicks, either answer may come last. */
  const markOf = (uid: string, accountId: string) =>
    sealer.mac('signing-in', JSON.stringify([tenant, uid, accountId]))

  return {
    give(ctx, uid, accountId) {
      const maxAge = config.interactionTtl * 1000
      ctx.cookies.set(nameOf(uid), markOf(uid, accountId), { ...options, maxAge })
    },
    // Not by Koa, whose cookie reader caches a regular expression for each name for good.
    isHere: ({ req }, uid, accountId) =>
      (req.headers.cookie ?? '')
        .split(/; */)
        .filter((cookie) => cookie.startsWith(`${nameOf(uid)}=`))
        .some((cookie) => equalInConstantTime(cookie.split('=')[1] ?? '', markOf(uid, accountId))),
    end: (ctx, uid) => void ctx.cookies.set(nameOf(uid), null, options),
  }
}
