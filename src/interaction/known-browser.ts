import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { deviceLife } from '../lockouts/known-devices.ts'
import type { PageParts } from './parts.ts'

/**
 * The accounts that a browser is known to; guesses from unknown browsers do not lock their owners out of it
 * (lockouts/known-devices.ts).
 */
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
    /** The id of this browser, if a user has signed in to the account with it. */
    idFor: (ctx: Context, accountId: string) =>
      lockouts.devices.find(cookieIn(ctx), tenant, accountId),
    /** The same, or if it is known by a mailed link; for mailed codes, which need the mailbox anyway. */
    idForMailed: (ctx: Context, accountId: string) =>
      lockouts.devices.findMailed(cookieIn(ctx), tenant, accountId),
    /** Makes this browser known as the account owner's. */
    know: (ctx: Context, { id }: Account): void =>
      keep(ctx, lockouts.devices.add(cookieIn(ctx), tenant, id)),
    /** Makes it known as that of a reader of the account's mail. */
    knowMailed: (ctx: Context, { id }: Account): void =>
      keep(ctx, lockouts.devices.addMailed(cookieIn(ctx), tenant, id)),
  }
}
