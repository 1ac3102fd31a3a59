import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { deviceLife } from '../lockouts/known-devices.ts'
import type { PageParts } from './parts.ts'

/** Which accounts a browser is known to, whose owners strangers do not lock out of it (lockouts/known-devices.ts). */
export function createKnownBrowser({ tenant, lockouts, knownCookie }: PageParts) {
  const { name, ...where } = knownCookie
  const cookieIn = (ctx: Context): string | undefined =>
    (ctx.state['known'] as string | undefined) ?? ctx.cookies.get(name, { signed: false })

  function keep(ctx: Context, known: string): void {
    ctx.state['known'] = known
    const options = { httpOnly: true, sameSite: 'lax', signed: false } as const
    ctx.cookies.set(name, known, { ...options, ...where, maxAge: deviceLife * 1000 })
  }

  return {
    cookieIn,
    /** The id of this browser, when somebody has signed in to the account with it. */
    idFor: (ctx: Context, accountId: string) =>
      lockouts.devices.find(cookieIn(ctx), tenant, accountId),
    /** Likewise, or when it is known by a mailed link; for codes that whoever reads the mail has anyway. */
    idForMailed: (ctx: Context, accountId: string) =>
      lockouts.devices.findMailed(cookieIn(ctx), tenant, accountId),
    /** From now on this browser is one of the account's owner. */
    know: (ctx: Context, { id }: Account): void =>
      keep(ctx, lockouts.devices.add(cookieIn(ctx), tenant, id)),
    /** From now on it is one of somebody who reads the account's mail. */
    knowMailed: (ctx: Context, { id }: Account): void =>
      keep(ctx, lockouts.devices.addMailed(cookieIn(ctx), tenant, id)),
  }
}
