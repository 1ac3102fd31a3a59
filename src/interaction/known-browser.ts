import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { deviceLife } from '../lockouts/known-devices.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'

export interface KnownBrowserParts {
  tenant: string
  lockouts: Pick<Lockouts, 'devices'>
  /** Says which accounts this browser belongs to somebody of; `path` is where it goes back to. */
  knownCookie: { name: string; path: string; secure: boolean }
}

/** Which accounts a browser is known to, whose owners strangers do not lock out of it (lockouts/known-devices.ts). */
export function createKnownBrowser({ tenant, lockouts, knownCookie }: KnownBrowserParts) {
  const { name, ...where } = knownCookie
  const cookieIn = (ctx: Context): string | undefined =>
    (ctx.state['known'] as string | undefined) ?? ctx.cookies.get(name, { signed: false })

  return {
    cookieIn,
    /** The id of this browser, when it is known to the account. */
    idFor: (ctx: Context, accountId: string) =>
      lockouts.devices.find(cookieIn(ctx), tenant, accountId),
    /** From now on this browser is one of the account's owner. */
    know(ctx: Context, { id }: Account): void {
      const known = lockouts.devices.add(cookieIn(ctx), tenant, id)
      ctx.state['known'] = known
      const options = { httpOnly: true, sameSite: 'lax', signed: false } as const
      ctx.cookies.set(name, known, { ...options, ...where, maxAge: deviceLife * 1000 })
    },
  }
}
